import type { Metrics } from "../adapter/adapter.ts";
import type { GateDecision } from "./decision.ts";
import { DEFAULT_GATE, type GatePolicy, JUDGES, lacking, type Origin } from "./judges.ts";

export { GATE_REASONS, type GateDecision, type GateReason } from "./decision.ts";
export { DEFAULT_GATE, type GatePolicy, type Origin } from "./judges.ts";

/**
 * Accepts an adapter only when it gains locally and does not forget. What counts as «before» is what is being served now.
 * The first judge that has something to judge by decides.
 * @param replaced whether the adapter's classes are in the place of the model's own
 */
export function gate(
  before: Metrics,
  after: Metrics,
  origin: Origin,
  policy: GatePolicy = DEFAULT_GATE,
  { replaced = false }: { replaced?: boolean | undefined } = {},
): GateDecision {
  const trial = { before, after, origin, replaced, policy: { ...DEFAULT_GATE, ...policy } };
  for (const judge of JUDGES) {
    const decision = judge(trial);
    if (decision) return decision;
  }
  return lacking(trial);
}
