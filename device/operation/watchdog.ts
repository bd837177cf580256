import type { Clock } from "../clock.ts";
import { type AliveFacts, type DiskFacts, isAlive, type Liveness, STUCK_REASONS } from "./alive.ts";

export interface Watchdog {
  start(): void;
  stop(): void;
}

export interface WatchdogPorts {
  readonly clock: Clock;
  /** How often the work is looked at and, when it goes on, the service manager told; half of what the manager waits. */
  readonly everyMs: number;
  /** What the work loop itself says. */
  readonly work: () => Pick<AliveFacts, "inferenceMs" | "sources">;
  /** Resolves when the data folder takes writes; rejects with Node's errors. */
  readonly askDisk: () => Promise<void>;
  /** The daemon is alive. */
  readonly feed: () => void;
  /** The daemon is stuck, or no longer: told on change only. */
  readonly onChange: (liveness: Liveness, message: string) => void;
}

/** Feeds the watchdog for as long as the work goes on, and for no other reason. */
export function createWatchdog({ clock, everyMs, work, askDisk, feed, onChange }: WatchdogPorts): Watchdog {
  let callOff = () => {};
  let wasAlive = true;
  let askedMs: number | null = null;
  let answer: DiskFacts = { tag: "writable" };

  /** One question at a time: the next only when the last one came back. */
  function diskFacts(nowMs: number): DiskFacts {
    if (askedMs !== null) return { tag: "silent", ms: nowMs - askedMs };
    askedMs = nowMs;
    void askDisk().then(
      () => answered({ tag: "writable" }),
      (error) => answered({ tag: "refuses", code: String(error?.code ?? error) }),
    );
    return answer;
  }

  function answered(facts: DiskFacts): void {
    askedMs = null;
    answer = facts;
  }

  function look(dueMs: number): void {
    const nowMs = clock.monotonicMs();
    const liveness = isAlive({ ...work(), eventLoopLagMs: nowMs - dueMs, disk: diskFacts(nowMs) });
    if (liveness.alive) feed();
    if (liveness.alive !== wasAlive) onChange(liveness, message(liveness));
    wasAlive = liveness.alive;
    next();
  }

  function next(): void {
    const dueMs = clock.monotonicMs() + everyMs;
    callOff = clock.after(everyMs, () => look(dueMs));
  }

  return { start: next, stop: () => callOff() };
}

const message = (liveness: Liveness): string =>
  liveness.alive ? "the work goes on again" : `${STUCK_REASONS[liveness.reason]} (${liveness.detail})`;
