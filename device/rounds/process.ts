import { writeFile } from "node:fs/promises";
import type { Logger } from "pino";
import type { System } from "../governor/system.ts";

/**
 * The kernel's out-of-memory killer takes this process before any other. Raising the value needs no right.
 * Its disk accesses come last by themselves: without a priority of their own they follow the process's niceness, which is 19.
 * @see proc(5), oom_score_adj; ioprio_set(2), "the I/O priority will follow the CPU nice value"
 */
export const killFirst = (pid: number): Promise<void> =>
  writeFile(`/proc/${pid}/oom_score_adj`, "1000").catch(() => undefined);

/**
 * Looks at what a process holds, in memory and swapped out, and tells when it is more than it may be. A limit that the kernel keeps would
 * need a control group of our own, which not every board allows.
 * @returns what ends the watch
 */
export function watchMemory(
  system: System,
  pid: number,
  maxBytes: number,
  onExceeded: (heldBytes: number) => void,
): () => void {
  const timer = setInterval(async () => {
    const held = parseHeld(await system.read(`proc/${pid}/status`));
    if (held !== null && held > maxBytes) onExceeded(held);
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

const LOOK_MS = 500;

/** Without pages of files, which the kernel drops when it needs the room.  @see proc(5), /proc/pid/status */
export function parseHeld(text: string | null): number | null {
  const kilobytes = ["RssAnon", "RssShmem", "VmSwap"].map(
    (key) => new RegExp(`^${key}:\\s+(\\d{1,12}) kB$`, "m").exec(text ?? "")?.[1],
  );
  return kilobytes[0] === undefined ? null : kilobytes.reduce((sum, value) => sum + Number(value ?? 0), 0) * 1024;
}

export interface StrayOptions {
  readonly trainer: string;
  readonly owner: string;
  readonly system: System;
  readonly log: Logger;
}

/** Whoever owns the data folder owns every training process that was started for it. */
export async function endStrays({ trainer, owner, system, log }: StrayOptions): Promise<void> {
  for (const name of await system.list("proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = ((await system.read(`proc/${name}/cmdline`)) ?? "").split("\0");
    if (!words.includes(trainer) || !words.includes(owner) || Number(name) === process.pid) continue;
    try {
      process.kill(Number(name), "SIGKILL");
      log.warn({ pid: Number(name) }, "a training process of an earlier daemon was still there: it is ended");
    } catch {
      // It ended by itself.
    }
  }
}
