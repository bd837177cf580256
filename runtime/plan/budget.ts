import type { Base } from "../derive/base.ts";
import { LichenError } from "../errors.ts";
import { makePlan, type Plan } from "./plan.ts";
import { type Prediction, predict, type TrainingCosts } from "./predict.ts";

/** What training may take; what is not said is not bounded. */
export interface Budget {
  /** Training state. */
  memoryBytes?: number;
  /** Of the training itself, on this machine. */
  seconds?: number;
  adapterBytes?: number;
}

/** A bound that a plan does not keep. */
export interface Excess {
  what: "memory" | "seconds" | "adapter";
  predicted: number;
  allowed: number;
}

export interface Costed {
  plan: Plan;
  prediction: Prediction;
  /** Samples a step. */
  batch: number;
}

/** Where a prediction lies beyond the budget. */
export function excesses({ trainingStateBytes, seconds, adapterBytes }: Prediction, budget: Budget): Excess[] {
  const bounds = [
    ["memory", trainingStateBytes, budget.memoryBytes],
    ["seconds", seconds?.training, budget.seconds],
    ["adapter", adapterBytes, budget.adapterBytes],
  ] as const;
  return bounds.flatMap(([what, predicted, allowed]) =>
    predicted !== undefined && allowed !== undefined && predicted > allowed ? [{ what, predicted, allowed }] : [],
  );
}

/**
 * The plan of the same method that changes least about one that is over its budget: first smaller batches, then fewer layers, the
 * earliest given up first, since they are the dearest to reach. Null when not even the last layer in the smallest batch fits.
 * @param method as it was asked for, with its settings
 */
export function nearestPlan(
  { base, method, plan }: { base: Base; method: string; plan: Plan },
  costs: TrainingCosts,
  budget: Budget,
): Costed | null {
  const names = namesOf(plan);
  for (let layers = names.length; layers >= 1; layers = fewer(layers)) {
    const narrowed = layers === names.length ? plan : narrowTo(base, method, names.slice(-layers));
    for (const batch of narrowed ? halves(costs.batch) : []) {
      const prediction = predict(narrowed!, { ...costs, batch });
      const found = excesses(prediction, budget);
      if (found.length === 0) return { plan: narrowed!, prediction, batch };
      // A smaller batch lowers memory alone.
      if (found.some(({ what }) => what !== "memory")) break;
    }
  }
  return null;
}

/** Of layers and sites, in network order. */
const namesOf = ({ targets, modules }: Plan): string[] => [
  ...modules.map(({ site }) => site.name),
  ...targets.map(({ layer }) => layer.name),
];

/** One by one where there are few, in larger strides where there are many: a prediction takes its time. */
const fewer = (layers: number): number => layers - Math.ceil(layers / 12);

const SMALLEST_BATCH = 4;

/** 16 → 16, 8, 4 */
function halves(batch: number): number[] {
  const found = [batch];
  while (found.at(-1)! / 2 >= SMALLEST_BATCH) found.push(Math.floor(found.at(-1)! / 2));
  return found;
}

/** Null where a part of the method would be left with nothing to train. */
function narrowTo(base: Base, method: string, targets: readonly string[]): Plan | null {
  try {
    return makePlan(base, method, { targets });
  } catch (error) {
    if (error instanceof LichenError && error.code === "NOTHING_TO_TRAIN") return null;
    throw error;
  }
}
