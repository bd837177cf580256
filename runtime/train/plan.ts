import type { Budget, Excess, Explanation, Prediction } from "../plan/index.ts";
import { type PlannedTarget, plannedTargets } from "../plan/planned-targets.ts";
import { proposePlan } from "./choose.ts";
import { makeJob } from "./job.ts";
import type { AdaptOptions } from "./request.ts";

/** What `adapt` would train, and what that takes. */
export interface PlanReport {
  method: string;
  targets: readonly PlannedTarget[];
  /** The values where the frozen part ends: cached once a sample. */
  frontier: readonly string[];
  prediction: Prediction;
  /** Why `adaptive` chose what it did; null for methods that were told. */
  explanation: Explanation | null;
  /** What was said, and for `adaptive` what it takes for granted where nothing was. */
  budget: Budget;
  /** Bounds that the plan does not keep; none when it fits. */
  exceeded: readonly Excess[];
  /** For a plan that does not fit: the one that changes least about it and does, or null where there is none. */
  nearest: { targets: readonly PlannedTarget[]; batch: number; prediction: Prediction } | null;
}

/**
 * What `adapt` would do with the same options, without doing it: the samples are looked at only where a method measures what matters to
 * them, and the clock only where seconds are bounded. A plan over its budget comes back with what it exceeds; `adapt` refuses it.
 * @throws UNKNOWN_CLASS, TOO_FEW_SAMPLES, ONE_CLASS, BAD_SAMPLE, UNKNOWN_METHOD, BAD_ARGUMENT, NOTHING_TO_TRAIN, NO_GRADIENT, CANCELLED
 */
export async function plan(options: AdaptOptions): Promise<PlanReport> {
  const { training, task, base } = makeJob(options);
  const found = await proposePlan(base, task, training, options);
  const { prediction, explanation, budget, exceeded, nearest } = found;
  return {
    method: found.plan.method,
    targets: plannedTargets(found.plan),
    frontier: found.plan.frontier,
    prediction,
    explanation,
    budget,
    exceeded,
    nearest: nearest && {
      targets: plannedTargets(nearest.plan),
      batch: nearest.batch,
      prediction: nearest.prediction,
    },
  };
}
