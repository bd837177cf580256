import { access, constants, statfs } from "node:fs/promises";
import type { BoardAnswer } from "../api/schemas.ts";
import type { Clock } from "../clock.ts";
import { parseWritten } from "../governor/process-usage.ts";
import type { Readings } from "../governor/readings.ts";
import type { System } from "../governor/system.ts";

export interface BoardAnswerPorts {
  readonly system: System;
  readonly readings: Readings;
  readonly isClockTrusted: (wallMs: number) => Promise<boolean>;
  readonly clock: Clock;
  /** The configuration's file, and the folder of what must survive. */
  readonly config: string;
  readonly data: string;
}

/** The board as the daemon finds it, with the daemon's own rights. */
export async function boardAnswer(ports: BoardAnswerPorts): Promise<BoardAnswer> {
  const { system, readings, isClockTrusted, clock, config, data } = ports;
  const wallMs = clock.wallMs();
  const [{ temperature, ...board }, trusted, written, disk] = await Promise.all([
    readings.read(),
    isClockTrusted(wallMs),
    system.read("proc/self/io").then(parseWritten),
    diskOf(data),
  ]);
  const { user, system: kernel } = process.cpuUsage();
  return {
    schema: "lichen/board/1",
    temperatureCelsius: temperature,
    ...board,
    clock: { now: new Date(wallMs).toISOString(), trusted },
    process: {
      residentBytes: process.memoryUsage.rss(),
      uptimeSeconds: Math.round(process.uptime()),
      cpuSeconds: (user + kernel) / 1e6,
      writtenBytes: written,
    },
    disk,
    config,
    data,
  };
}

async function diskOf(folder: string): Promise<BoardAnswer["disk"]> {
  const [space, writable] = await Promise.all([
    statfs(folder).catch(() => null),
    access(folder, constants.W_OK).then(
      () => true,
      () => false,
    ),
  ]);
  return {
    freeBytes: space && space.bavail * space.bsize,
    totalBytes: space && space.blocks * space.bsize,
    writable,
  };
}
