import type { Metrics, Score } from "../adapter/adapter.ts";
import { LichenError } from "../errors.ts";
import type { Tensors } from "../execute/session.ts";
import type { Random } from "../random/random.ts";
import { type BatchOptions, epochOrder, stepsPerEpoch } from "./batches.ts";
import { cosineRates } from "./schedule.ts";
import type { Trainer } from "./trainer.ts";

export interface FitOptions {
  epochs: number;
  learningRate: number;
  /** Epochs without a better score after which training stops. */
  patience: number;
  batches: BatchOptions;
  start: Tensors;
  random: Random;
  signal: AbortSignal | undefined;
  /** Scores parameters on what was held out. */
  score(parameters: Tensors): Promise<Metrics>;
  onEpoch(epoch: number, loss: number, metrics: Metrics): void;
}

export interface Fit {
  parameters: Tensors;
  /** Of the start, and of the parameters that were kept. */
  before: Metrics;
  metrics: Metrics;
  /** The epoch the parameters are from; 0 when none was better than the start. */
  bestEpoch: number;
  epochs: number;
  learningRate: number;
}

/** How often a diverged run may start again with a quarter of the learning rate. */
const RETRIES = 2;

/** Trains, keeping the best parameters seen on held-out samples. @throws CANCELLED, DIVERGED */
export async function trainParameters(trainer: Trainer, options: FitOptions): Promise<Fit> {
  for (let retry = 0; ; retry++) {
    const learningRate = options.learningRate / 4 ** retry;
    const run = await attempt(trainer, options, learningRate);
    if (run) return { ...run, learningRate };
    if (retry === RETRIES)
      throw new LichenError("DIVERGED", { found: `a loss that is no number at learning rate ${learningRate}` });
  }
}

async function attempt(
  trainer: Trainer,
  options: FitOptions,
  learningRate: number,
): Promise<Omit<Fit, "learningRate"> | null> {
  const { epochs, patience, batches, random } = options;
  const total = epochs * stepsPerEpoch(batches);
  let state = trainer.start(options.start);
  const before = await options.score(options.start);
  let best = { parameters: options.start, metrics: before, bestEpoch: 0 };

  for (let epoch = 1; epoch <= epochs; epoch++) {
    if (options.signal?.aborted) throw new LichenError("CANCELLED", { at: `epoch ${epoch}` });
    const order = epochOrder(batches, random);
    const result = await trainer.epoch(state, order, cosineRates(learningRate, state.steps, order.steps, total));
    if (!Number.isFinite(result.loss)) return null;
    state = result.state;
    const metrics = await options.score(state.values);
    if (better(metrics, best.metrics)) best = { parameters: state.values, metrics, bestEpoch: epoch };
    options.onEpoch(epoch, result.loss, metrics);
    if (epoch - best.bestEpoch >= patience) return { ...best, before, epochs: epoch };
  }
  return { ...best, before, epochs };
}

/**
 * By loss and not by accuracy, which a handful of held-out samples hardly resolves; forgetting counts as much as learning.
 * Where nothing can be measured, the latest is taken.
 */
function better(fresh: Metrics, best: Metrics): boolean {
  const [a, b] = [fresh, best].map(losses) as [number[], number[]];
  return a.length === 0 || sum(a) < sum(b);
}

const losses = ({ heldOut, rehearsal }: Metrics): number[] =>
  [heldOut, rehearsal].filter((score): score is Score => score !== null).map((score) => score.loss);

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
