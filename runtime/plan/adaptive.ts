import type { Base } from "../derive/base.ts";
import { isWeighted } from "../integer/layers.ts";
import { head } from "../methods/head.ts";
import { type Budget, excesses, strain } from "./budget.ts";
import { laddersOf, type Rung, sumOf } from "./ladders.ts";
import { matchTargets } from "./patterns.ts";
import { type Plan, planOf } from "./plan.ts";
import type { PlanSpec } from "./plan-spec.ts";
import { type Prediction, predict, type TrainingCosts } from "./predict.ts";
import type { Importance } from "./spec.ts";

/*
 * Which layers to train how, within a budget. For each depth of the frontier, layers are raised step by step, wherever a step brings
 * most for its cost, as long as the prediction of the whole fits; of all depths the plan that gains most is taken. The gain is the
 * Fisher information of what is trained. @see Kwon et al. 2024, TinyTrain, arXiv:2307.09988, §3.2; Lin et al. 2022, MCUNetV3,
 * arXiv:2206.15472, §3.2 (contribution analysis); Sinha & Zoltners 1979, doi:10.1287/opre.27.3.503 (the greedy choice)
 */

export interface AdaptiveOptions {
  importance: Importance;
  budget?: Budget | undefined;
  training: TrainingCosts;
  /** Patterns of the layers that may be trained; all when absent. */
  targets?: readonly string[] | undefined;
}

/** Training one layer in one way. */
export interface LayerChoice {
  at: string;
  choice: string;
  /** Share of the information of all layers that it can use. */
  gain: number;
  /** Of its parameters in an adapter. */
  bytes: number;
}

export interface Explanation {
  /** Where the frontier lies: the first layer that is trained, and how many from there on could be. */
  from: string;
  depth: number;
  layers: readonly LayerChoice[];
  /** Every depth that was tried, and what it would have gained. */
  depths: readonly { from: string; depth: number; gain: number; fits: boolean }[];
  /** What would come next with a larger budget, the best first. */
  next: readonly LayerChoice[];
}

export interface Adaptive {
  plan: Plan;
  prediction: Prediction;
  explanation: Explanation;
}

/** What a small board can spare. */
const SPARE = { memoryBytes: 64 * 2 ** 20, adapterBytes: 128 * 2 ** 10 } as const satisfies Budget;

/**
 * Where nothing is said, a step is little work too: that keeps to the last layers, which is all that a base needs that is nearly right,
 * for a fraction of the time. Whoever names a budget gets as much as it allows.
 */
export const DEFAULT_BUDGET = { ...SPARE, inferences: 3 } as const satisfies Budget;

/**
 * A base that is lost on the samples at hand needs its first layers too, whatever that takes. Being lost shows in the information of
 * its layers, ½ (Δ loss)²: each of them, taken away, would change a sample's loss by a nat. On the reference jobs it was 0.2 where
 * the base had 95 % right, and 1.4 where it had 55 %.
 */
const LOST = 0.5;

/** What is given, and what a small board can spare of the rest. */
export function budgetFor(given: Budget = {}, importance?: Importance): Budget {
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  if (Object.keys(said).length > 0) return { ...SPARE, ...said };
  return importance && ofAverageLayer(importance) > LOST ? SPARE : DEFAULT_BUDGET;
}

const ofAverageLayer = (importance: Importance): number =>
  [...importance.values()].reduce((sum, channels) => sum + sumOf(channels), 0) / Math.max(1, importance.size);

/**
 * The least there is where nothing more fits; whether that does is for the caller to check. The head is always trained as a whole,
 * unless it alone is too much: then it is a layer like the others. Deterministic.
 */
export function adaptivePlan(base: Base, { importance, budget, training, targets }: AdaptiveOptions): Adaptive {
  const bounds = budgetFor(budget);
  const wholeHeads = head.targets(base.layers, {}).map(({ name }) => name);
  const heads = wholeHeads.length > 0 && headFits(base, wholeHeads, bounds, training) ? wholeHeads : [];
  const candidates = base.layers.filter(
    (layer) => isWeighted(layer) && importance.has(layer.name) && !heads.includes(layer.name),
  );
  const allowed = targets ? matchTargets(targets, candidates, base.layers) : candidates;
  const ladders = laddersOf(allowed, base, importance);
  const depths: (Outcome & { depth: number; steps: readonly Rung[] })[] = [];
  for (const depth of depthsOf(allowed.length, heads.length > 0 ? 0 : 1)) {
    const steps = ladders
      .slice(allowed.length - depth)
      .flat()
      .sort(byWorth);
    // From here on even all that there is would be less than what has been found.
    if (depths.some(({ fits, gain }) => fits && gain > gainOf(steps))) break;
    depths.push({ depth, steps, ...deepest(base, heads, steps, bounds, training) });
  }
  const best = depths.reduce((a, b) => (isBetter(b, a, bounds) ? b : a));
  const taken = lastOfEach(best.steps.slice(0, best.count));
  const fromOf = (depth: number) => allowed[allowed.length - depth]?.name ?? wholeHeads[0] ?? "";
  const first = allowed.findIndex(({ name }) => taken.has(name));
  const depth = first < 0 ? 0 : allowed.length - first;
  return {
    plan: best.plan,
    prediction: best.prediction,
    explanation: {
      from: fromOf(depth),
      depth,
      layers: [
        ...allowed.flatMap(({ name }) => (taken.has(name) ? [shown(taken.get(name)!)] : [])),
        ...heads.map((at) => ({ at, choice: "whole", gain: 0, bytes: headBytes(base, at) })),
      ],
      depths: depths.map(({ depth, gain, fits }) => ({ from: fromOf(depth), depth, gain, fits })),
      next: best.steps.slice(best.count, best.count + SHOWN).map(shown),
    },
  };
}

/** Of what did not fit, as many as one wants to read. */
const SHOWN = 5;

const byWorth = (a: Rung, b: Rung): number =>
  b.gain / b.cost - a.gain / a.cost || a.place - b.place || a.total.parameters - b.total.parameters;

/** All layers, three quarters of them, of those again …, down to the least. */
const depthsOf = (layers: number, least: number): number[] =>
  layers <= least ? [layers] : [layers, ...depthsOf(Math.floor((layers * 3) / 4), least)];

const gainOf = (steps: readonly Rung[]): number => steps.reduce((sum, rung) => sum + rung.gain, 0);

interface Outcome {
  plan: Plan;
  prediction: Prediction;
  /** Rungs that fit. */
  count: number;
  gain: number;
  fits: boolean;
}

/** As many of the rungs as the budget allows: more of them never take less, so that the border is found by halving. */
function deepest(
  base: Base,
  heads: readonly string[],
  steps: readonly Rung[],
  budget: Budget,
  training: TrainingCosts,
): Outcome {
  const tried = (count: number): Outcome => {
    const entries = [...lastOfEach(steps.slice(0, count)).values()].flatMap((rung) => rung.entries);
    const spec = [...entries, ...headEntries(heads)];
    const plan = planOf(base, spec, "adaptive");
    const prediction = predict(plan, training);
    const gain = gainOf(steps.slice(0, count));
    return { plan, prediction, count, gain, fits: excesses(prediction, budget).length === 0 };
  };
  const all = tried(steps.length);
  if (all.fits) return all;
  const least = heads.length > 0 ? 0 : 1;
  let best = tried(least);
  let [low, high] = [least + 1, steps.length - 1];
  while (best.fits && low <= high) {
    const middle = Math.floor((low + high) / 2);
    const outcome = tried(middle);
    if (outcome.fits) {
      best = outcome;
      low = middle + 1;
    } else {
      high = middle - 1;
    }
  }
  return best;
}

const headEntries = (heads: readonly string[]): PlanSpec =>
  heads.map((at) => ({ method: head.name, at, settings: {} }));

function headFits(base: Base, heads: readonly string[], budget: Budget, training: TrainingCosts): boolean {
  const prediction = predict(planOf(base, headEntries(heads), "adaptive"), training);
  return excesses(prediction, budget).length === 0;
}

/** The highest rung of each layer. */
const lastOfEach = (steps: readonly Rung[]): Map<string, Rung> => new Map(steps.map((rung) => [rung.layer.name, rung]));

/** What fits before what does not, then what gains more, then what takes less. */
function isBetter(a: Outcome, b: Outcome, budget: Budget): boolean {
  if (a.fits !== b.fits) return a.fits;
  if (a.fits && a.gain !== b.gain) return a.gain > b.gain;
  return strain(a.prediction, budget) < strain(b.prediction, budget);
}

const shown = ({ layer, choice, total }: Rung): LayerChoice => ({
  at: layer.name,
  choice,
  gain: total.gain,
  bytes: 4 * total.parameters,
});

function headBytes(base: Base, at: string): number {
  const layer = base.layers.find(({ name }) => name === at)!;
  return 4 * head.parameters(layer, {}).reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0);
}
