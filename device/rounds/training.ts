import { errorCode } from "../../runtime/errors.ts";
import type { Clock } from "../clock.ts";
import type { Holding, ReasonCode } from "../governor/reasons.ts";
import type { ResourceMeter } from "../governor/resources.ts";
import type { RunJob, RunningJob } from "./child.ts";
import type { Job } from "./job.ts";
import type { JobProgress, Verdict } from "./job-messages.ts";
import type { RoundEvent } from "./machine.ts";

/** The training process of a round: run, held for a while, put down for longer, ended. */
export interface Training {
  run(job: Job, meter: ResourceMeter): void;
  /** Holds the process at once; after a while, or where memory is what is wanted, puts it down. */
  pause(reason: Holding): void;
  release(): void;
  isHeld(): boolean;
  /** When the governor is to be asked again. @param againMs as it says itself */
  nextLook(againMs: number | null): number | null;
  /** Of this round. */
  pauses(): { readonly pauses: number; readonly sincePauseMs: number };
  /** A new round begins. */
  reset(): void;
  /** Ends the process; the event tells what that means for the round. @returns whether there was one */
  stop(event: Ending): Promise<boolean>;
}

export interface TrainingOptions {
  readonly runJob: RunJob;
  readonly clock: Clock;
  readonly releaseAfterMs: number;
  readonly onProgress: (progress: JobProgress) => void;
  readonly onVerdict: (verdict: Verdict) => void;
  readonly onEnded: (event: RoundEvent) => void;
}

/** Why a process was asked to end. */
type Ending = Extract<RoundEvent, { tag: "put down" | "cut off" | "failed" }>;

export function createTraining(options: TrainingOptions): Training {
  const { runJob, clock, releaseAfterMs, onProgress, onVerdict, onEnded } = options;
  let job: RunningJob | null = null;
  let done: Promise<void> = Promise.resolve();
  let ending: Ending | null = null;
  let heldAtMs: number | null = null;
  let pauses = 0;
  let pausedAtMs = Number.NEGATIVE_INFINITY;

  async function follow(running: RunningJob, meter: ResourceMeter): Promise<void> {
    const outcome = await running.verdict.then(
      (verdict) => ({ verdict }),
      (error: unknown) => ({ error }),
    );
    await meter.ended(running.usage());
    const asked = ending;
    job = null;
    ending = null;
    heldAtMs = null;
    // What was ready before it was put down is ready.
    if ("verdict" in outcome && asked?.tag !== "failed") return onVerdict(outcome.verdict);
    const { error } = outcome as { error: unknown };
    const message = error instanceof Error ? error.message : String(error);
    onEnded(asked ?? { tag: "failed", code: errorCode(error), message });
  }

  function end(event: Ending): void {
    if (job === null || ending !== null) return;
    ending = event;
    heldAtMs = null;
    job.end();
  }

  return {
    run(work, meter) {
      const running = runJob(work, onProgress);
      job = running;
      if (running.pid !== undefined) meter.began(running.pid);
      done = follow(running, meter);
    },
    pause(reason) {
      if (job === null || ending !== null) return;
      if (heldAtMs === null) {
        job.hold();
        heldAtMs = clock.monotonicMs();
        pausedAtMs = heldAtMs;
        pauses++;
      }
      const isLong = clock.monotonicMs() - heldAtMs >= releaseAfterMs;
      if (isLong || FREES_MEMORY.has(reason.code)) end({ tag: "put down", reason: reason.code });
    },
    release() {
      if (heldAtMs === null) return;
      heldAtMs = null;
      job?.release();
    },
    isHeld: () => heldAtMs !== null,
    nextLook(againMs) {
      if (heldAtMs === null) return againMs;
      const leftMs = Math.max(0, heldAtMs + releaseAfterMs - clock.monotonicMs());
      return againMs === null ? leftMs : Math.min(againMs, leftMs);
    },
    pauses: () => ({ pauses, sincePauseMs: clock.monotonicMs() - pausedAtMs }),
    reset() {
      pauses = 0;
      pausedAtMs = Number.NEGATIVE_INFINITY;
    },
    async stop(event) {
      if (job === null) return false;
      if (ending === null) end(event);
      else ending = event;
      await done;
      return true;
    },
  };
}

/** A process that is held holds its memory. */
const FREES_MEMORY: ReadonlySet<ReasonCode> = new Set(["MEMORY_LOW", "MEMORY_PRESSURE"]);
