import type { Metrics } from "../adapter/adapter.ts";
import { assertWanted, LichenError } from "../errors.ts";
import type { Tensors } from "../execute/session.ts";
import type { SeededRandom } from "../random/random.ts";
import { type BatchOptions, epochChunks, stepsPerEpoch } from "./batches.ts";
import { learningRates, type ScheduleName } from "./schedule.ts";
import type { Trainer, TrainingState } from "./trainer.ts";

export interface FitOptions {
  epochs: number;
  learningRate: number;
  schedule?: ScheduleName | undefined;
  /** Epochs without a better score after which training stops. */
  patience: number;
  batches: BatchOptions;
  /** Rows of the cache, and how many of them fit into memory at once; all, when absent. */
  memory?: { rows: number; most: number } | undefined;
  start: Tensors;
  random: SeededRandom;
  /** The loss of a guess, where the loss has one: ln(classes) for cross-entropy. */
  chance?: number | undefined;
  signal: AbortSignal | undefined;
  /** Scores parameters on what was held out. */
  score(parameters: Tensors): Promise<Metrics>;
  onEpoch(epoch: number, loss: number, metrics: Metrics): void;
  /** Called after every epoch with all that is needed to go on from there. */
  onCheckpoint?: ((state: FitState) => void | Promise<void>) | undefined;
  /** Goes on from here, and ends with the very bits of a run that was never interrupted. */
  resume?: FitState | undefined;
}

export interface Fit {
  parameters: Tensors;
  /** Of the start, and of the parameters that were kept. */
  before: Metrics;
  metrics: Metrics;
  /** The epoch the parameters are from; 0 when none was better than the start. */
  bestEpoch: number;
  epochs: number;
  /** The one that led here, after what divergence took off it. */
  learningRate: number;
}

/** A training run between two epochs. */
export interface FitState {
  /** Epochs done since the last start. */
  epoch: number;
  /** How often it has diverged and started again. */
  retries: number;
  learningRate: number;
  training: TrainingState;
  best: { parameters: Tensors; metrics: Metrics; epoch: number };
  before: Metrics;
  /** Of the random generator. */
  random: number;
  /** Epochs in a row with a loss above `limit`; that is null until something is known to compare with. */
  high: number;
  limit: number | null;
}

/** How often a diverged run may start again, and what its learning rate is divided by each time. */
const RETRIES = 2;
const CUT = 4;

/** The learning rate that a run was begun with, before divergence took anything off it. */
export const firstRate = ({ learningRate, retries }: FitState): number => learningRate * CUT ** retries;

/** A loss so many times what it was at first, for so many epochs in a row, will not come back. */
const DIVERGED = { times: 3, epochs: 2 };

/** Trains, keeping the best parameters seen on held-out samples. @throws CANCELLED, DIVERGED */
export async function trainParameters(trainer: Trainer, options: FitOptions): Promise<Fit> {
  let state = options.resume ?? begin(trainer, options, await options.score(options.start), 0);
  options.random.restore(state.random);
  while (state.epoch < options.epochs && state.epoch - state.best.epoch < options.patience) {
    state = (await advance(trainer, options, state)) ?? again(trainer, options, state);
    await options.onCheckpoint?.(state);
  }
  const { best, before, epoch, learningRate } = state;
  return {
    parameters: best.parameters,
    metrics: best.metrics,
    bestEpoch: best.epoch,
    before,
    epochs: epoch,
    learningRate,
  };
}

function begin(trainer: Trainer, options: FitOptions, before: Metrics, retries: number): FitState {
  const { start, chance, random } = options;
  return {
    epoch: 0,
    retries,
    learningRate: options.learningRate / CUT ** retries,
    training: trainer.start(start),
    best: { parameters: start, metrics: before, epoch: 0 },
    before,
    random: random.state(),
    high: 0,
    limit: chance === undefined ? null : DIVERGED.times * Math.max(chance, before.heldOut?.loss ?? 0),
  };
}

/** One epoch further; null when training has diverged. */
async function advance(trainer: Trainer, options: FitOptions, state: FitState): Promise<FitState | null> {
  const epoch = state.epoch + 1;
  const { training, loss } = await runEpoch(trainer, options, state);
  const limit = state.limit ?? DIVERGED.times * loss;
  const high = loss > limit ? state.high + 1 : 0;
  const parameters = pick(training.values, Object.keys(options.start));
  if (!Number.isFinite(loss) || high >= DIVERGED.epochs || !allFinite(parameters)) return null;
  const metrics = await options.score(parameters);
  const best = better(metrics, state.best.metrics) ? { parameters, metrics, epoch } : state.best;
  options.onEpoch(epoch, loss, metrics);
  return { ...state, epoch, training, best, high, limit, random: options.random.state() };
}

/** All over, more carefully. */
function again(trainer: Trainer, options: FitOptions, { retries, learningRate, before }: FitState): FitState {
  if (retries < RETRIES) return begin(trainer, options, before, retries + 1);
  throw new LichenError("DIVERGED", { found: `a loss that runs away at learning rate ${learningRate}` });
}

async function runEpoch(trainer: Trainer, options: FitOptions, { epoch, training, learningRate }: FitState) {
  const { batches, random, schedule = "cosine", memory = { rows: 0, most: 0 } } = options;
  const total = options.epochs * stepsPerEpoch(batches);
  let state = training;
  let sum = 0;
  for (const chunk of epochChunks(batches, random, memory)) {
    assertWanted(options.signal, `epoch ${epoch + 1}`);
    const rates = learningRates(schedule, { peak: learningRate, first: state.steps, steps: chunk.steps, total });
    const result = await trainer.epoch(state, chunk, rates);
    state = result.state;
    sum += result.loss * chunk.steps;
  }
  return { training: state, loss: sum / (state.steps - training.steps) };
}

/**
 * By loss and not by accuracy, which a handful of held-out samples hardly resolves; forgetting counts as much as learning.
 * Where nothing can be measured, the latest is taken.
 */
export function better(fresh: Metrics, best: Metrics): boolean {
  const [a, b] = [fresh, best].map(losses) as [number[], number[]];
  return a.length === 0 || sumOf(a) < sumOf(b);
}

function losses({ heldOut, rehearsal, losses, confidence }: Metrics): number[] {
  const scores = [heldOut, rehearsal, losses?.heldOut, losses?.rehearsal];
  return [
    ...scores.flatMap((score) => (score ? [score.loss] : [])),
    // Sure of each sample, and yet not of one class for all: the information that predictions hold. @see Liang et al. 2020, arXiv:2002.08546
    ...(confidence ? [confidence.entropy - confidence.marginalEntropy] : []),
  ];
}

const sumOf = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const pick = (values: Tensors, names: readonly string[]): Tensors =>
  Object.fromEntries(names.map((name) => [name, values[name]!]));

const allFinite = (parameters: Tensors): boolean =>
  Object.values(parameters).every(
    ({ type, data }) => type !== "float32" || (data as Float32Array).every(Number.isFinite),
  );
