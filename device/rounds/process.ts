import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { constants, setPriority } from "node:os";
import type { Logger } from "pino";
import type { System } from "../governor/system.ts";

export interface Launch {
  readonly execPath: string;
  /** Before Node's own. */
  readonly execArgv: readonly string[];
}

/**
 * How Node is started so that it computes only when nobody else wants to: by util-linux's `chrt`, which sets a policy that Node itself
 * cannot. What is not idle then never waits for it to use up its slice, as it does for a nice process. Where there is no `chrt`, or the
 * policy is refused, Node is started as it is.
 * @see sched(7), SCHED_IDLE
 */
export function launchIdle(): Launch {
  const { execPath } = process;
  // As BusyBox spells it, too.
  const idle = ["-i", "0"];
  isIdleAllowed ||= spawnSync(CHRT, [...idle, "true"], { stdio: "ignore", timeout: 1000 }).status === 0;
  return isIdleAllowed ? { execPath: CHRT, execArgv: [...idle, execPath] } : { execPath, execArgv: [] };
}

const CHRT = "chrt";
let isIdleAllowed = false;

/**
 * The process comes after all others that compute. To be called as soon as there is one: a priority is a thread's, and threads take it over
 * from the one that makes them; one that lowered its own would leave those of V8 as they are, and load its modules at full speed.
 * Its disk accesses come last by themselves: without a priority of their own they follow niceness and policy.
 * @see setpriority(2), "C library/kernel differences"; ioprio_set(2), "Selecting an I/O scheduler"
 */
export function comeLast(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended already.
  }
}

/** The kernel's out-of-memory killer takes this process before any other. Raising the value needs no right. @see proc(5), oom_score_adj */
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
