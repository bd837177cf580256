import { assertWanted } from "../errors.ts";
import type { Tensors } from "../execute/session.ts";
import { float32, sliceRows, type Tensor } from "../onnx/tensor.ts";
import type { Random } from "../random/random.ts";
import { type BatchOptions, type EpochChunk, epochChunks } from "./batches.ts";
import type { Trainer } from "./trainer.ts";

/** What a few steps at a constant rate did: the mean loss of each pass over the same batches, from the same start. */
export interface Trial {
  rate: number;
  losses: readonly number[];
}

export interface ProbeOptions {
  batches: BatchOptions;
  memory?: { rows: number; most: number } | undefined;
  start: Tensors;
  /** Of its own, so that a run with a probe and one with the rate that it found see the same batches. */
  random: Random;
  /** Of the run that the rate is for; the probe takes less than `MOST` of them. */
  steps: number;
  /** The rate to use where the run is too short to try any, and where to begin otherwise. */
  first?: number;
  /** The highest that may be tried: for entropy, which every rate lowers the more the higher it is, down to collapse. */
  highest?: number;
  signal: AbortSignal | undefined;
}

export interface Probe {
  rate: number;
  /** In the order in which they were run. */
  trials: readonly Trial[];
  /** Steps that it took. */
  steps: number;
}

/** The part of a run's steps that finding its rate may cost. */
const MOST = 0.15;

/** Rates that are tried at all. Adaptations are small, and bear far more than the training of a whole network. */
const [LOWEST, HIGHEST, FIRST] = [3e-5, 0.5, 3e-3];

/** A first pass so much above the others' has thrown the base's knowledge away, even where it learns again from there. */
const THROWN = 1.25;

/** An end so little above the beginning is a rate that does next to nothing yet, rather than one that does harm. */
const UNMOVED = 1.02;

/** The part of the best gain that is as good as it: the smaller rate is the safer. */
const NEARLY = 0.9;

/**
 * Finds a learning rate by trying: a handful of steps at each of several rates, over the same batches. Nothing of them stays.
 * After the range test of Smith 2017, arXiv:1506.01186, but with a fresh start at each rate, as the sum of the rates before it
 * would hide what a rate does to a base that is nearly right already.
 * @throws CANCELLED
 */
export async function probeLearningRate(trainer: Trainer, options: ProbeOptions): Promise<Probe> {
  const { batches, memory = { rows: 0, most: 0 }, random, first = FIRST, highest = HIGHEST } = options;
  const budget = trialBudget(options.steps);
  const [chunk] = epochChunks(batches, random, memory);
  const length = Math.min(budget.batches, chunk!.steps);
  const passes = Math.min(4, Math.floor(budget.steps / length));
  const trials: Trial[] = [];
  while (trials.length < budget.trials) {
    const rate = nextRate(trials, first, highest);
    if (rate === null) break;
    trials.push({ rate, losses: await run(trainer, options, firstBatches(chunk!, length), rate, passes) });
  }
  const safest = Math.min(first, ...trials.map(({ rate }) => rate));
  return { rate: chooseRate(trials) ?? safest, trials, steps: trials.length * length * passes };
}

/**
 * The best of the stable rates: the one that lowers the loss most, or the smallest that does nearly as well; null where none is stable.
 * A rate is stable if its losses are numbers, do not end well above where they began, and did not begin by making things worse.
 */
export function chooseRate(trials: readonly Trial[]): number | null {
  // The first pass of the smallest rate is the nearest to what the loss is before anything is learnt.
  const begun = trials.toSorted((a, b) => a.rate - b.rate)[0]?.losses[0] ?? Number.NaN;
  const stable = trials.filter(
    ({ losses }) =>
      losses.every(Number.isFinite) &&
      losses[0]! <= begun * THROWN + 1e-9 &&
      losses.at(-1)! <= losses[0]! * UNMOVED + 1e-9,
  );
  const best = Math.min(...stable.map(({ losses }) => losses.at(-1)!));
  const enough = Math.max(best, begun - NEARLY * (begun - best));
  const equals = stable.filter(({ losses }) => losses.at(-1)! <= enough);
  return equals.length === 0 ? null : Math.min(...equals.map(({ rate }) => rate));
}

/** The rate to try next: in steps of ten until the best has worse ones on both sides, then once between; null when that is done. */
export function nextRate(trials: readonly Trial[], first = FIRST, limit = HIGHEST): number | null {
  if (trials.length === 0) return first;
  const tried = trials.map(({ rate }) => rate);
  const [lowest, highest] = [Math.min(...tried), Math.max(...tried)];
  const best = chooseRate(trials);
  const isNew = (rate: number) =>
    rate >= LOWEST && rate <= limit && tried.every((other) => Math.abs(Math.log(rate / other)) > 0.1);
  // Where none is stable, all were too high.
  if (best === null) return isNew(lowest / 10) ? lowest / 10 : null;
  const outwards = [...(best === highest ? [best * 10] : []), ...(best === lowest ? [best / 10] : [])];
  const between = [best * Math.sqrt(10), best / Math.sqrt(10)];
  return [...outwards, ...between].find(isNew) ?? null;
}

/** How many rates may be tried, and for how long each: long trials tell more, but three rates are the least that show a direction. */
export function trialBudget(runSteps: number): { trials: number; steps: number; batches: number } {
  const all = Math.ceil(runSteps * MOST) - 1;
  const steps = Math.max(all >= 12 ? 4 : 2, Math.floor(all / 6));
  // Two passes at least, since only the second sees what the first has learnt.
  return { trials: Math.min(6, Math.floor(all / steps)), steps, batches: Math.min(8, Math.floor(steps / 2)) };
}

async function run(
  trainer: Trainer,
  { start, signal }: ProbeOptions,
  chunk: EpochChunk,
  rate: number,
  passes: number,
): Promise<number[]> {
  const rates = float32([chunk.steps], new Array(chunk.steps).fill(rate));
  let state = trainer.start(start);
  const losses: number[] = [];
  while (losses.length < passes) {
    assertWanted(signal, `learning-rate probe at ${rate}`);
    const result = await trainer.epoch(state, chunk, rates);
    losses.push(result.loss);
    if (!Number.isFinite(result.loss)) break;
    state = result.state;
  }
  return losses;
}

const firstBatches = ({ order, shares, rows }: EpochChunk, steps: number): EpochChunk => ({
  order: sliceRows(order, 0, steps) as Tensor<"int64">,
  shares: sliceRows(shares, 0, steps) as Tensor<"float32">,
  steps,
  rows,
});
