/** Why no round starts now; stable, shown by `lichen status`. */
export const WAIT_REASONS = {
  COOLING_DOWN: "a round failed a short while ago",
  ROUND_RUNNING: "a round is running",
  SAMPLES_ARRIVING: "samples are still coming in",
  STOPPED: "the daemon is stopping",
  TOO_FEW_NEW_SAMPLES: "too few new labelled samples since the last round",
} as const;

export type WaitReason = keyof typeof WAIT_REASONS;

export interface RoundFacts {
  readonly stopped: boolean;
  readonly running: boolean;
  /** Labelled samples that no finished round has seen. */
  readonly newSamples: number;
  /** The last round was cut off by a stop or a power cut: its samples are not new, its result is missing. */
  readonly owed: boolean;
  readonly sinceSampleMs: number;
  readonly failuresInARow: number;
  readonly sinceFailureMs: number;
}

export interface RoundPolicy {
  readonly minNewSamples: number;
  readonly settleMs: number;
  readonly retryMs: number;
}

/** `againMs` is when to ask again though nothing happens; null: only an event can change the answer. */
export type Decision =
  | { readonly tag: "start" }
  | { readonly tag: "wait"; readonly reason: WaitReason; readonly againMs: number | null };

/** Whether a training round may start. */
export function decide(facts: RoundFacts, policy: RoundPolicy): Decision {
  if (facts.stopped) return wait("STOPPED");
  if (facts.running) return wait("ROUND_RUNNING");
  if (facts.newSamples < policy.minNewSamples && !facts.owed) return wait("TOO_FEW_NEW_SAMPLES");
  const coolMs = coolDownMs(facts.failuresInARow, policy.retryMs) - facts.sinceFailureMs;
  if (coolMs > 0) return wait("COOLING_DOWN", coolMs);
  const settleMs = policy.settleMs - facts.sinceSampleMs;
  // A stream that never pauses must not put off training for ever.
  if (settleMs > 0 && facts.newSamples < PATIENCE * policy.minNewSamples) return wait("SAMPLES_ARRIVING", settleMs);
  return { tag: "start" };
}

const wait = (reason: WaitReason, againMs: number | null = null): Decision => ({ tag: "wait", reason, againMs });

const PATIENCE = 8;

const coolDownMs = (failures: number, retryMs: number): number =>
  failures === 0 ? 0 : retryMs * 2 ** Math.min(failures - 1, 6);
