import type { Policy } from "./config.ts";
import type { Facts } from "./facts.ts";
import { type Holding, holdingReasons } from "./reasons.ts";

export type Holdings = readonly [Holding, ...Holding[]];

/**
 * `start` and `wait` answer for a round that is not there yet, `go on` and `pause` for one that is, running or paused.
 * `reasons` are all that hold, the most important first. `againMs` is when to ask again though nothing happens; null: only an event
 * can change the answer.
 */
export type Verdict =
  | { readonly tag: "start" }
  | { readonly tag: "wait"; readonly reasons: Holdings; readonly againMs: number | null }
  | { readonly tag: "go on"; readonly againMs: number }
  | { readonly tag: "pause"; readonly reasons: Holdings; readonly againMs: number | null };

/** Whether a round may start, or go on. */
export function govern(facts: Facts, policy: Policy): Verdict {
  const underWay = facts.round.phase === "training" || facts.round.phase === "paused";
  const [first, ...others] = holdingReasons(facts, policy);
  if (first === undefined) return underWay ? { tag: "go on", againMs: policy.lookMs } : { tag: "start" };
  const reasons: Holdings = [first, ...others];
  return { tag: underWay ? "pause" : "wait", reasons, againMs: latest(reasons) };
}

/** All must be over, so the last to go decides. */
const latest = (reasons: Holdings): number | null =>
  reasons.reduce<number | null>(
    (last, { againMs }) => (last === null || againMs === null ? null : Math.max(last, againMs)),
    0,
  );
