import type { Base } from "../derive/base.ts";
import { ADAPTIVE } from "../methods/index.ts";
import { adaptivePlan, budgetFor, type Explanation } from "./adaptive.ts";
import { type Budget, type Excess, excesses, overBudget } from "./budget.ts";
import { type Costed, findNearest } from "./nearest.ts";
import { makePlan, type Plan } from "./plan.ts";
import { type Prediction, predict, type TrainingCosts } from "./predict.ts";
import type { Importance } from "./spec.ts";

export { ADAPTIVE } from "../methods/index.ts";
export type { Explanation, LayerChoice } from "./adaptive.ts";
export { DEFAULT_BUDGET } from "./adaptive.ts";
export { type Budget, type Excess, excesses } from "./budget.ts";
export { type Costed, nearestPlan } from "./nearest.ts";
export { type Prediction, predict, type Throughput, type TrainingCosts, throughputFrom } from "./predict.ts";

export interface PlanRequest {
  /** Patterns of layer names. @see matchTargets */
  targets?: readonly string[] | undefined;
  /** How much each channel matters on local samples; without it all are alike. */
  importance?: Importance | undefined;
  budget?: Budget | undefined;
  training: TrainingCosts;
}

export interface Planned {
  plan: Plan;
  prediction: Prediction;
  /** Why `adaptive` chose what it did; null for methods that were told. */
  explanation: Explanation | null;
  budget: Budget;
  /** Bounds that the plan does not keep; none when it fits. */
  exceeded: readonly Excess[];
  /** For a plan that does not fit: the one that changes least about it and does, or null where there is none. */
  nearest: Costed | null;
  /** The least that any plan near this one would take. */
  least: Prediction;
}

/**
 * The plan for a method, what it costs, and what would fit where it does not. Pure: nothing runs.
 * @throws UNKNOWN_METHOD, BAD_ARGUMENT, NOTHING_TO_TRAIN
 */
export function planFor(base: Base, method: string, request: PlanRequest): Planned {
  const { targets, importance, training } = request;
  const budget = method === ADAPTIVE ? budgetFor(request.budget, importance) : request.budget;
  const adaptive =
    method === ADAPTIVE ? adaptivePlan(base, { ...request, budget, importance: importance ?? alike(base) }) : null;
  const plan =
    adaptive?.plan ?? makePlan(base, method, { ...(targets && { targets }), ...(importance && { importance }) });
  if (!adaptive) return planned(plan, training, budget, importance);
  const { prediction, explanation } = adaptive;
  return { ...planned(plan, training, budget, importance, prediction), explanation };
}

/** What a plan costs, and what near it would fit where it does not keep the budget. */
export function planned(
  plan: Plan,
  training: TrainingCosts,
  budget: Budget = {},
  importance?: Importance,
  prediction: Prediction = predict(plan, training),
): Planned {
  const exceeded = excesses(prediction, budget);
  const search =
    exceeded.length === 0
      ? { nearest: null, least: prediction }
      : findNearest({ base: plan.base, plan, importance }, training, budget);
  return { plan, prediction, explanation: null, budget, exceeded, ...search };
}

/** @throws BUDGET_EXCEEDED, naming by how much and what would fit */
export function assertWithinBudget({ budget, exceeded, nearest, least }: Planned): void {
  if (exceeded.length > 0) throw overBudget(exceeded, nearest && inWords(nearest), least, budget);
}

function inWords({ plan, batch, prediction }: Costed): string {
  const first = plan.modules[0]?.site.name ?? plan.targets[0]!.layer.name;
  return `${plan.method} from ${first} on, ${prediction.trainableParameters} parameters, a batch of ${batch}`;
}

const alike = (base: Base): Importance =>
  new Map(base.layers.map(({ name, outChannels }) => [name, new Float32Array(outChannels).fill(1 / outChannels)]));
