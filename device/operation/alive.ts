/** What the watchdog knows of the daemon at one moment. */
export interface AliveFacts {
  /** How much later than asked the last check came: what held up the event loop. */
  readonly eventLoopLagMs: number;
  /** For how long the inference in hand has been computing; null: none is. */
  readonly inferenceMs: number | null;
  /** For how long each source has been at one piece of its work; null: it waits for some. */
  readonly sources: readonly { readonly name: string; readonly busyMs: number | null }[];
  readonly disk: DiskFacts;
}

export type DiskFacts =
  | { readonly tag: "writable" }
  /** Read-only, full, or gone. */
  | { readonly tag: "refuses"; readonly code: string }
  /** A question to it has not come back. */
  | { readonly tag: "silent"; readonly ms: number };

export interface AliveLimits {
  readonly eventLoopLagMs: number;
  readonly inferenceMs: number;
  readonly sourceMs: number;
  readonly diskMs: number;
}

export const ALIVE_LIMITS: AliveLimits = {
  eventLoopLagMs: 15_000,
  inferenceMs: 60_000,
  sourceMs: 300_000,
  diskMs: 120_000,
};

/** What a restart would mend. A board that is merely unwell (a full or read-only disk, no broker) goes on inferring and says so. */
export const STUCK_REASONS = {
  EVENT_LOOP_BLOCKED: "something holds up the event loop",
  INFERENCE_STUCK: "an inference does not come to an end",
  SOURCE_STUCK: "a source has been at one piece of work for too long",
  DISK_SILENT: "the disk does not answer",
} as const;

export type StuckReason = keyof typeof STUCK_REASONS;

export type Liveness =
  | { readonly alive: true }
  | { readonly alive: false; readonly reason: StuckReason; readonly detail: string };

/** Whether the daemon does its work: only then is the watchdog fed. */
export function isAlive(facts: AliveFacts, limits: AliveLimits = ALIVE_LIMITS): Liveness {
  const { eventLoopLagMs, inferenceMs, sources, disk } = facts;
  if (eventLoopLagMs > limits.eventLoopLagMs) return stuck("EVENT_LOOP_BLOCKED", seconds(eventLoopLagMs));
  if (inferenceMs !== null && inferenceMs > limits.inferenceMs) return stuck("INFERENCE_STUCK", seconds(inferenceMs));
  const source = sources.find(({ busyMs }) => busyMs !== null && busyMs > limits.sourceMs);
  if (source) return stuck("SOURCE_STUCK", `${source.name}, ${seconds(source.busyMs ?? 0)}`);
  if (disk.tag === "silent" && disk.ms > limits.diskMs) return stuck("DISK_SILENT", seconds(disk.ms));
  return { alive: true };
}

const stuck = (reason: StuckReason, detail: string): Liveness => ({ alive: false, reason, detail });

const seconds = (ms: number): string => `${(ms / 1000).toFixed(0)} s`;
