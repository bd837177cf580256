import type { Metrics, Score } from "../adapter/adapter.ts";

export interface GatePolicy {
  /** Held-out samples below which local accuracy says too little to judge by. */
  minHeldOut: number;
  /** Rehearsal accuracy that may be lost, as a fraction. */
  maxForgetting: number;
}

export const DEFAULT_GATE: GatePolicy = { minHeldOut: 5, maxForgetting: 0.03 };

/** Why an adapter was or was not accepted; stable, for logs and fleets. */
export const GATE_REASONS = {
  GAIN: "it is better on local held-out samples and keeps what the base knew",
  REHEARSAL_ONLY: "there are no local samples to judge by, and it keeps what the base knew",
  NO_GAIN: "it is no better on local held-out samples",
  FORGETS: "it loses too much of what the base knew",
  NO_EVIDENCE: "there is nothing to judge it by: too few held-out samples and no rehearsal pack",
  TOO_FEW_HELD_OUT: "there are too few held-out samples to judge a locally trained adapter by",
} as const;

export type GateReason = keyof typeof GATE_REASONS;

export interface GateDecision {
  accepted: boolean;
  reason: GateReason;
  explanation: string;
}

/** Where an adapter comes from: one trained here must prove a gain here, one from a peer may come before any local sample does. */
export type Origin = "local" | "peer";

/**
 * Accepts an adapter only when it gains locally and does not forget. A gain is more samples right, or as many with a lower loss;
 * what counts as «before» is what is being served now.
 */
export function gate(before: Metrics, after: Metrics, origin: Origin, policy: GatePolicy = DEFAULT_GATE): GateDecision {
  const forgets = loses(before.rehearsal, after.rehearsal, policy.maxForgetting);
  if (forgets) return decide(false, "FORGETS", forgets);
  if (!before.heldOut || !after.heldOut || after.heldOut.samples < policy.minHeldOut) {
    const found = `${after.heldOut?.samples ?? 0} held-out samples of at least ${policy.minHeldOut}`;
    if (origin === "local") return decide(false, "TOO_FEW_HELD_OUT", found);
    return after.rehearsal ? decide(true, "REHEARSAL_ONLY", found) : decide(false, "NO_EVIDENCE", found);
  }
  const gained = gains(before.heldOut, after.heldOut);
  return decide(gained, gained ? "GAIN" : "NO_GAIN", `held out: ${change(before.heldOut, after.heldOut)}`);
}

const decide = (accepted: boolean, reason: GateReason, facts: string): GateDecision => ({
  accepted,
  reason,
  explanation: `${GATE_REASONS[reason]} (${facts})`,
});

const gains = (before: Score, after: Score): boolean =>
  after.accuracy > before.accuracy || (after.accuracy === before.accuracy && after.loss < before.loss);

function loses(before: Score | null, after: Score | null, allowed: number): string | null {
  if (!before || !after) return null;
  // One sample of a small pack may weigh more than the allowance; losing it alone is no forgetting.
  const slack = Math.max(allowed, 1 / after.samples) + 1e-9;
  return before.accuracy - after.accuracy > slack ? `rehearsal: ${change(before, after)}` : null;
}

const percent = (score: Score): string => `${(score.accuracy * 100).toFixed(1)} %`;

const change = (before: Score, after: Score): string => `${percent(before)} → ${percent(after)} of ${after.samples}`;
