import type { Base } from "../derive/base.ts";
import { LichenError } from "../errors.ts";
import type { Layer } from "../integer/layers.ts";
import { decodeIndices, encodeIndices, greatest } from "../methods/settings.ts";
import { weightsOf } from "../methods/single-weights.ts";
import { elementCount } from "../onnx/tensor.ts";
import { type Budget, excesses, strain } from "./budget.ts";
import { type Plan, planOf } from "./plan.ts";
import type { PlanSpec } from "./plan-spec.ts";
import { type Prediction, predict, type TrainingCosts } from "./predict.ts";
import type { Importance } from "./spec.ts";

export interface Costed {
  plan: Plan;
  prediction: Prediction;
  /** Samples a step. */
  batch: number;
}

export interface Search {
  /** The plan that changes least and fits; null where none does. */
  nearest: Costed | null;
  /** Of all that was tried, what takes least of this budget. */
  least: Prediction;
}

export interface Subject {
  /** Without the modules that a plan may bring. */
  base: Base;
  plan: Plan;
  /** By which chosen channels are given up; without it the last of them go first. */
  importance?: Importance | undefined;
}

/**
 * The plan that changes least about one that is over its budget: first smaller batches, then smaller ranks, widths and fewer channels,
 * then fewer layers, the earliest given up first, since they are the dearest to reach.
 */
export function findNearest(subject: Subject, costs: TrainingCosts, budget: Budget): Search {
  const { base, plan } = subject;
  const names = namesOf(plan);
  let least: Prediction | null = null;
  for (let layers = names.length; layers >= 1; layers = fewer(layers)) {
    const kept = new Set(names.slice(-layers));
    const narrowed = layers === names.length ? plan.spec : plan.spec.filter(({ at }) => kept.has(at));
    for (const spec of smallerSizes(narrowed, subject)) {
      const smaller = spec === plan.spec ? plan : planned(base, spec, plan.method);
      for (const batch of smaller ? halves(costs.batch) : []) {
        const prediction = predict(smaller!, { ...costs, batch });
        const found = excesses(prediction, budget);
        if (found.length === 0) return { nearest: { plan: smaller!, prediction, batch }, least: prediction };
        if (!least || strain(prediction, budget) < strain(least, budget)) least = prediction;
        // A smaller batch lowers memory alone.
        if (found.some(({ what }) => what !== "memory")) break;
      }
    }
  }
  return { nearest: null, least: least ?? predict(plan, costs) };
}

/** @see findNearest */
export const nearestPlan = (subject: Subject, costs: TrainingCosts, budget: Budget): Costed | null =>
  findNearest(subject, costs, budget).nearest;

/** Of sites and layers, in network order. */
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

/** Null where nothing is left to train. */
function planned(base: Base, spec: PlanSpec, method: string): Plan | null {
  try {
    return planOf(base, spec, method);
  } catch (error) {
    if (error instanceof LichenError && error.code === "NOTHING_TO_TRAIN") return null;
    throw error;
  }
}

/** Settings that say how large a change may be. */
const SIZES: ReadonlySet<string> = new Set(["rank", "width"]);

/** The spec itself, then with its sizes and numbers of channels halved again and again, as long as that changes something. */
function smallerSizes(spec: PlanSpec, subject: Subject): PlanSpec[] {
  const found = [spec];
  for (const factor of [1 / 2, 1 / 4, 1 / 8]) {
    const smaller = spec.map((entry) => ({ ...entry, settings: scaled(entry, factor, subject) }));
    if (JSON.stringify(smaller) !== JSON.stringify(found.at(-1))) found.push(smaller);
  }
  return found;
}

function scaled({ at, settings }: PlanSpec[number], factor: number, { base, importance }: Subject) {
  const changed = Object.entries(settings).map(([name, value]) => {
    if (SIZES.has(name) && Number.isInteger(value))
      return [name, Math.max(1, Math.floor((value as number) * factor))] as const;
    if (!Object.hasOwn(CHOSEN, name) || value === "") return [name, value] as const;
    const { count, worth } = CHOSEN[name as keyof typeof CHOSEN];
    const layer = base.layers.find((each) => each.name === at)!;
    return [name, fewerOf(value as string, count(layer), factor, importance?.get(worth(at)))] as const;
  });
  return Object.fromEntries(changed);
}

/** Settings that are sets, and among how many they choose. */
const CHOSEN = {
  channels: { count: ({ outChannels }: Layer) => outChannels, worth: (layer: string) => layer },
  weights: { count: ({ weight }: Layer) => elementCount(weight!.dims), worth: weightsOf },
};

/** Of what was chosen that which matters most. */
function fewerOf(text: string, count: number, factor: number, worth?: Float32Array): string {
  const chosen = decodeIndices(text, count);
  const most = greatest(
    Float32Array.from(chosen, (at) => worth?.[at] ?? 0),
    Math.max(1, Math.floor(chosen.length * factor)),
  );
  return encodeIndices(
    most.map((at) => chosen[at]!),
    count,
  );
}
