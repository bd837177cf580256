import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type BoardAnswer, boardSchema, statusSchema } from "../../api/schemas.ts";
import { systemClock } from "../../clock.ts";
import { checkConfig } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import { createClockTrust } from "../../governor/clock-trust.ts";
import { createReadings } from "../../governor/readings.ts";
import { nodeSystem, readWord, type System } from "../../governor/system.ts";
import { sha256OfFile } from "../../offline/file-bytes.ts";
import { boardAnswer } from "../../operation/board-answer.ts";
import { CONFIG_PATH } from "../../operation/installation.ts";
import type { Client } from "../client.ts";
import { type BrokerUse, brokersOf, tryBroker } from "./brokers.ts";
import {
  type BrokerFacts,
  type DiskFacts,
  type DoctorFacts,
  type FlashFacts,
  type Found,
  isValue,
  type ModelFacts,
  troubleOf,
} from "./facts.ts";

/** What doctor reaches out to; tests have others. */
export interface Probes {
  readonly system: System;
  /** @param model which of the daemon's */
  readonly client: (model?: string) => Client;
  readonly tryBroker: (use: BrokerUse) => Promise<BrokerFacts>;
  /** Loads a model and lets it answer. */
  readonly tryModel: (folder: string, threads: number) => Promise<{ sha256: string; inferenceMs: number }>;
  /** Where a configuration is looked for when nobody names one. */
  readonly installedConfig: string;
}

export const nodeProbes = (client: Probes["client"]): Probes => ({
  system: nodeSystem(),
  client,
  tryBroker: (use) => tryBroker(use, `lichen-doctor-${process.pid}`),
  tryModel: async (folder, threads) => (await import("./try-model.ts")).tryModel(folder, threads),
  installedConfig: CONFIG_PATH,
});

/** Gathers what there is to judge. Never rejects: what cannot be had is a fact, too. @param named a configuration file */
export async function gather(probes: Probes, named: string | undefined): Promise<DoctorFacts> {
  const { system } = probes;
  const daemon = await tried(() => probes.client().get("/v1/status", statusSchema));
  const told = isValue(daemon) ? await tried(() => probes.client().get("/v1/board", boardSchema)) : daemon;
  const installed = existsSync(probes.installedConfig) ? probes.installedConfig : null;
  const file = named ?? (isValue(told) ? told.value.config : installed);
  const { config, mistakes } = file === null ? { config: null, mistakes: [] } : await checkConfig(file);
  const data = isValue(told) ? told.value.data : (config?.data ?? null);
  const board = isValue(told) ? told.value : await ownView(system, file ?? "", data ?? ".");
  const [disk, flash, models, brokers] = await Promise.all([
    data === null ? null : diskFacts(system, data),
    flashFacts(system),
    config === null ? [] : Promise.all(config.stations.map((station) => modelFacts(probes, station, daemon))),
    config === null ? [] : brokerFacts(probes, config, daemon),
  ]);
  const firmware = existsSync("/dev/vcio");
  return {
    config: { file, isNamed: named !== undefined, mistakes: mistakes.map(troubleOf) },
    daemon,
    board,
    disk,
    flash,
    brokers,
    models,
    firmware: { isThere: firmware, answers: board.throttling !== null },
    wantedBytes: config?.governor.freeMemoryBytes.startAbove ?? null,
    hasHours: config !== null && config.governor.hours.only.length + config.governor.hours.quiet.length > 0,
  };
}

/** Without a daemon, with the rights of whoever asks. */
const ownView = (system: System, config: string, data: string): Promise<BoardAnswer> =>
  boardAnswer({
    system,
    readings: createReadings(system, systemClock.monotonicMs),
    isClockTrusted: createClockTrust(system, systemClock.monotonicMs),
    clock: systemClock,
    config,
    data: nearestThere(data),
  });

/** The folder itself, or the one that it will be made in. */
const nearestThere = (folder: string): string =>
  existsSync(folder) || dirname(folder) === folder ? folder : nearestThere(dirname(folder));

async function diskFacts(system: System, folder: string): Promise<DiskFacts> {
  const there = nearestThere(folder);
  const mount = mountOf((await system.read("proc/self/mounts")) ?? "", there);
  const space = await statfs(there).catch(() => null);
  return {
    folder,
    exists: there === folder,
    fileSystem: mount?.type ?? null,
    isReadOnly: mount?.options.includes("ro") ?? false,
    // Some file systems, as btrfs, have no such bound, and say 0 of 0.
    freeInodes: space === null || space.files === 0 ? null : space.ffree,
  };
}

/** What a path lies on: the longest mount point above it, of these the last. @see proc(5), fstab(5): spaces are `\040` */
export function mountOf(mounts: string, path: string): { readonly type: string; readonly options: string[] } | null {
  const found = mounts
    .split("\n")
    .map((line) => line.split(" "))
    .map(([, point = "", type = "", options = ""]) => ({ point: unescaped(point), type, options: options.split(",") }))
    .filter(({ point }) => point === "/" || path === point || (point !== "" && path.startsWith(`${point}/`)))
    .reduce<{ point: string; type: string; options: string[] } | null>(
      (best, mount) => (best === null || mount.point.length >= best.point.length ? mount : best),
      null,
    );
  return found && { type: found.type, options: found.options };
}

const unescaped = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** @see Linux, mmc: `life_time` is two hexadecimal numbers, of the two kinds of cells, `pre_eol_info` one */
export async function flashFacts(system: System): Promise<FlashFacts[]> {
  const names = (await system.list("sys/block")).filter((name) => /^mmcblk\d+$/.test(name));
  const found = await Promise.all(
    names.map(async (name) => {
      const folder = `sys/block/${name}/device`;
      const lives = ((await readWord(system, `${folder}/life_time`)) ?? "").split(/\s+/).map(hexadecimal);
      const used = lives.filter((tenths) => tenths !== null && tenths >= 1 && tenths <= 11);
      return {
        name,
        usedTenths: used.length === 0 ? null : Math.max(...used.map((tenths) => tenths ?? 0)),
        endOfLife: hexadecimal((await readWord(system, `${folder}/pre_eol_info`)) ?? ""),
      };
    }),
  );
  // SD cards tell nothing.
  return found.filter(({ usedTenths, endOfLife }) => usedTenths !== null || (endOfLife !== null && endOfLife > 0));
}

const hexadecimal = (text: string): number | null =>
  /^0x[0-9a-f]{1,2}$/i.test(text) ? Number.parseInt(text, 16) : null;

/** A daemon that runs has loaded its models; a second session beside it would take its memory. */
async function modelFacts(
  probes: Probes,
  station: Config["stations"][number],
  daemon: DoctorFacts["daemon"],
): Promise<ModelFacts> {
  const { name, model: folder, threads } = station;
  if (!isValue(daemon)) {
    const found = await tried(() => probes.tryModel(folder, threads));
    const [sha256, inferenceMs] = isValue(found)
      ? [{ value: found.value.sha256 }, { value: found.value.inferenceMs }]
      : [found, null];
    return { name, folder, sha256, servedSha256: null, inferenceMs };
  }
  const of = daemon.value.models.includes(name) ? name : undefined;
  const status = await tried(() => probes.client(of).get("/v1/status", statusSchema));
  const p50Ms = isValue(status) ? status.value.inference.latency.p50Ms : null;
  return {
    name,
    folder,
    sha256: await tried(() => sha256OfFile(join(folder, "model.onnx"))),
    servedSha256: isValue(status) ? status.value.model.sha256 : null,
    inferenceMs: p50Ms === null ? null : { value: p50Ms },
  };
}

/** One that the daemon is connected to answers, and perhaps nobody but the daemon. */
async function brokerFacts(
  { tryBroker }: Probes,
  config: Config,
  daemon: DoctorFacts["daemon"],
): Promise<BrokerFacts[]> {
  const isConnected = isValue(daemon) && daemon.value.sync?.connected === true;
  return Promise.all(
    brokersOf(config).map(async (use) => {
      const facts = await tryBroker(use);
      const isKnown = isConnected && use.uses.includes("fleet");
      return isKnown ? { ...facts, trouble: null } : facts;
    }),
  );
}

async function tried<T>(ask: () => Promise<T>): Promise<NonNullable<Found<T>>> {
  try {
    return { value: await ask() };
  } catch (error) {
    return { trouble: troubleOf(error) };
  }
}
