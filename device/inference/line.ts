import { LichenError } from "../../runtime/errors.ts";
import type { Clock } from "../clock.ts";
import { createPulse } from "../operation/pulse.ts";
import { createLatencies, type Latencies, type LatencySummary } from "./latency.ts";
import { createQueue, type InferenceQueue, type QueueCounts, type QueueOptions } from "./queue.ts";

export interface LineStatus {
  readonly queue: QueueCounts & { readonly bound: number; readonly policy: string };
  /** From being asked to the answer. */
  readonly latency: LatencySummary;
  /** Of it, in line. */
  readonly waiting: LatencySummary;
}

/** Where inferences stand in line: one at a time, sources in turns, no more than the queue has places. */
export interface InferenceLine {
  /** @throws QUEUE_FULL when it had no place or lost it, CANCELLED when the line was closed, and what the work throws */
  run<T>(source: string, work: () => Promise<T>): Promise<T>;
  status(): LineStatus;
  /** For how long the inference in hand has been computing; null: none is. */
  busyMs(): number | null;
  /** For how long somebody has been waiting without a break; 0: nobody is. */
  behindMs(): number;
  /** Nothing is taken any more; resolves when the work in hand is done. */
  close(): Promise<void>;
}

interface Job {
  work(): Promise<unknown>;
  done(result: unknown): void;
  failed(error: unknown): void;
}

export function createLine(options: QueueOptions, clock: Pick<Clock, "monotonicMs">): InferenceLine {
  const queue: InferenceQueue<Job> = createQueue(options);
  const latency: Latencies = createLatencies();
  const waiting: Latencies = createLatencies();
  const pulse = createPulse(clock);
  let inHand: Promise<void> | undefined;
  let behindSinceMs: number | null = null;
  let isOpen = true;

  /** Works until nobody waits. */
  async function work(): Promise<void> {
    for (let next = queue.take(); next !== undefined; next = queue.take()) {
      const { item, sinceMs } = next;
      if (queue.isEmpty()) behindSinceMs = null;
      waiting.record(clock.monotonicMs() - sinceMs, clock.monotonicMs());
      try {
        const result = await pulse.around(() => item.work());
        latency.record(clock.monotonicMs() - sinceMs, clock.monotonicMs());
        item.done(result);
      } catch (error) {
        item.failed(error);
      }
    }
    inHand = undefined;
  }

  const full = (source: string) =>
    new LichenError("QUEUE_FULL", { at: source, found: `${options.bound} waiting`, wanted: "a free place" });

  return {
    run: <T>(source: string, act: () => Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        if (!isOpen) return reject(closed());
        const job: Job = { work: act, done: (result) => resolve(result as T), failed: reject };
        const offered = queue.offer(source, job, clock.monotonicMs());
        if (offered.tag === "turned away") reject(full(source));
        if (offered.tag === "exchanged") offered.dropped.item.failed(full(offered.dropped.source));
        if (inHand) behindSinceMs ??= clock.monotonicMs();
        inHand ??= work();
      }),
    status() {
      const nowMs = clock.monotonicMs();
      return {
        queue: { ...queue.counts(), bound: options.bound, policy: options.policy },
        latency: latency.summary(nowMs),
        waiting: waiting.summary(nowMs),
      };
    },
    busyMs: pulse.busyMs,
    behindMs: () => (behindSinceMs === null ? 0 : clock.monotonicMs() - behindSinceMs),
    async close() {
      isOpen = false;
      for (const { item } of queue.drain()) item.failed(closed());
      await inHand;
    },
  };
}

const closed = () => new LichenError("CANCELLED", { at: "inference", found: "a stopping daemon" });
