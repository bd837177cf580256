import {
  type Adapter,
  type AdapterDescription,
  assertAdapterFits,
  type Metrics,
  makeAdapter,
} from "../adapter/adapter.ts";
import { prepareBase } from "../derive/base.ts";
import { deriveEpoch } from "../derive/epoch.ts";
import { deriveEvaluation } from "../derive/evaluation.ts";
import { LichenError } from "../errors.ts";
import type { Tensors } from "../execute/session.ts";
import { type GateDecision, type GatePolicy, gate } from "../gate/gate.ts";
import type { OptimizerName } from "../optimizers/index.ts";
import type { ModelPackage } from "../package/package.ts";
import { predictTrainingBytes } from "../plan/memory.ts";
import { makePlan, type Plan, startParameters } from "../plan/plan.ts";
import { seeded } from "../random/random.ts";
import { cacheBytes } from "./cache.ts";
import { cacheSamples } from "./caches.ts";
import { trainParameters } from "./fit.ts";
import { assignSamples, type LabelledFeatures } from "./samples.ts";
import { score } from "./score.ts";
import { openEvaluator, openTrainer } from "./trainer.ts";

export interface Progress {
  phase: "cache" | "train";
  done: number;
  total: number;
  loss?: number;
  /** On held-out samples, 0 to 1. */
  accuracy?: number;
}

/** What a training run may be told; everything has a default that suits a small board. */
export interface TrainingOptions {
  epochs: number;
  batch: number;
  learningRate: number;
  optimizer: OptimizerName;
  labelSmoothing: number;
  gradientNorm: number;
  /** Epochs without improvement on held-out samples after which training stops. */
  patience: number;
  /** Share of each class that is held out, where no held-out samples are given. */
  holdOut: number;
  /** Rehearsal samples for each local one. */
  rehearsalMix: number;
  seed: number;
  threads: number;
}

export const DEFAULT_TRAINING: TrainingOptions = {
  epochs: 15,
  batch: 16,
  learningRate: 0.003,
  optimizer: "adam",
  labelSmoothing: 0,
  gradientNorm: 5,
  patience: 8,
  holdOut: 0.2,
  rehearsalMix: 0.5,
  seed: 1,
  threads: 1,
};

export interface AdaptOptions extends Partial<TrainingOptions> {
  model: ModelPackage;
  samples: readonly LabelledFeatures[];
  /** `head`, `bias`, or several joined by `+`. */
  method: string;
  /** Held-out samples; without them a part of `samples` is held out. */
  heldOut?: readonly LabelledFeatures[];
  /** The adapter being served now: training goes on from it and must beat it. */
  start?: Adapter;
  gate?: GatePolicy;
  board?: string;
  createdAt?: string;
  contributors?: readonly string[];
  /** A clock in milliseconds, for the report; without one all durations are 0. */
  clockMs?: () => number;
  /** Resident memory of the process in bytes, for the report. */
  residentBytes?: () => number;
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

export interface AdaptReport {
  method: string;
  trainableParameters: number;
  adapterBytes: number;
  frontier: readonly string[];
  before: Metrics & { accuracy: number | null };
  after: Metrics & { accuracy: number | null };
  epochs: number;
  bestEpoch: number;
  learningRate: number;
  seconds: { derive: number; cache: number; train: number; total: number };
  trainingStateBytes: { predicted: number; measured: number };
}

export interface AdaptResult {
  adapter: Adapter;
  decision: GateDecision;
  report: AdaptReport;
}

/**
 * Trains an adapter: derive the graphs, run the frozen prefix once for every sample, train on what it left, and gate the result.
 * The adapter comes back even when the gate refuses it; whether to serve it is the caller's business.
 * @throws UNKNOWN_CLASS, TOO_FEW_SAMPLES, UNKNOWN_METHOD, NOTHING_TO_TRAIN, NO_GRADIENT, ADAPTER_WRONG_BASE, DIVERGED, CANCELLED
 */
export async function adapt(options: AdaptOptions): Promise<AdaptResult> {
  const training = checked({ ...DEFAULT_TRAINING, ...given(options) });
  const { model, signal, clockMs = () => 0, residentBytes = () => 0 } = options;
  const random = seeded(training.seed);
  const lap = stopwatch(clockMs);

  const base = prepareBase(model.model);
  const plan = makePlan(base, options.method);
  const start = options.start ? parametersOf(options.start, plan, model) : startParameters(plan);
  const local = assignSamples(model, options.samples, options.heldOut, training.holdOut, random);
  const epochGraph = await deriveEpoch(plan, training);
  const evaluationGraph = await deriveEvaluation(plan);
  const derive = lap();

  const caches = await cacheSamples(plan, local, { ...options, threads: training.threads });
  const cache = lap();

  const residentBefore = residentBytes();
  let residentPeak = residentBefore;
  const evaluator = await openEvaluator(evaluationGraph, plan, base.logits.name, training.threads);
  const trainer = await openTrainer(epochGraph, plan, {
    ...training,
    cache: caches.train.cache,
    labels: caches.train.labels,
  });
  try {
    const fitted = await trainParameters(trainer, {
      ...training,
      start,
      random,
      signal,
      batches: { ...caches.batches, mix: training.rehearsalMix, batch: training.batch },
      score: async (parameters) => ({
        heldOut: score(await evaluator.logits(caches.heldOut.cache, parameters), caches.heldOut.labels),
        rehearsal: score(await evaluator.logits(caches.rehearsal.cache, parameters), caches.rehearsal.labels),
      }),
      onEpoch(done, loss, { heldOut }) {
        residentPeak = Math.max(residentPeak, residentBytes());
        options.onProgress?.({
          phase: "train",
          done,
          total: training.epochs,
          loss,
          ...(heldOut && { accuracy: heldOut.accuracy }),
        });
      },
    });
    const train = lap();
    const metrics = { before: fitted.before, after: fitted.metrics };
    const adapter = makeAdapter(
      describe(options, plan, metrics),
      new Map(plan.parameters.map(({ name }) => [name, fitted.parameters[name]!])),
    );
    return {
      adapter,
      decision: gate(metrics.before, metrics.after, "local", options.gate),
      report: {
        method: plan.method,
        trainableParameters: plan.trainableParameters,
        adapterBytes: adapter.bytes.length,
        frontier: plan.frontier,
        before: { accuracy: metrics.before.heldOut?.accuracy ?? null, ...metrics.before },
        after: { accuracy: metrics.after.heldOut?.accuracy ?? null, ...metrics.after },
        epochs: fitted.epochs,
        bestEpoch: fitted.bestEpoch,
        learningRate: fitted.learningRate,
        seconds: { derive, cache, train, total: derive + cache + train },
        trainingStateBytes: {
          predicted: predictTrainingBytes(base, plan, training, cacheBytes(caches.train.cache)),
          measured: residentPeak - residentBefore,
        },
      },
    };
  } finally {
    await trainer.close();
    await evaluator.close();
  }
}

/** The options that were given, so that an explicit `undefined` does not hide a default. */
const given = (options: AdaptOptions): Partial<TrainingOptions> =>
  Object.fromEntries(
    Object.keys(DEFAULT_TRAINING)
      .map((key) => [key, options[key as keyof TrainingOptions]] as const)
      .filter(([, value]) => value !== undefined),
  );

/** @throws BAD_ARGUMENT for a number that no training could use */
function checked(training: TrainingOptions): TrainingOptions {
  const problem = (Object.keys(LIMITS) as (keyof typeof LIMITS)[]).find((key) => !LIMITS[key].holds(training[key]));
  if (problem === undefined) return training;
  throw new LichenError("BAD_ARGUMENT", { at: problem, found: training[problem], wanted: LIMITS[problem].wanted });
}

const count = { wanted: "a whole number from 1", holds: (value: number) => Number.isInteger(value) && value >= 1 };
const positive = { wanted: "a positive number", holds: (value: number) => Number.isFinite(value) && value > 0 };
const share = { wanted: "a number from 0 to below 1", holds: (value: number) => value >= 0 && value < 1 };

const LIMITS = {
  epochs: count,
  batch: count,
  patience: count,
  threads: count,
  learningRate: positive,
  gradientNorm: positive,
  labelSmoothing: share,
  holdOut: share,
  rehearsalMix: { wanted: "a number from 0", holds: (value: number) => Number.isFinite(value) && value >= 0 },
  seed: { wanted: "a whole number from 0", holds: (value: number) => Number.isInteger(value) && value >= 0 },
} satisfies Partial<Record<keyof TrainingOptions, { wanted: string; holds(value: number): boolean }>>;

/** Seconds since the last call. */
function stopwatch(clockMs: () => number): () => number {
  let lastMs = clockMs();
  return () => {
    const sinceMs = lastMs;
    lastMs = clockMs();
    return (lastMs - sinceMs) / 1000;
  };
}

/**
 * An adapter's parameters under this plan. What the plan trains and the adapter lacks starts from zero; what the adapter has and the
 * plan would drop is refused, since the base would silently come back there.
 */
function parametersOf(adapter: Adapter, plan: Plan, model: ModelPackage): Tensors {
  assertAdapterFits(adapter, model);
  const known = new Map(plan.parameters.map(({ name, dims }) => [name, dims.join()]));
  for (const [name, { dims }] of adapter.tensors) {
    if (known.get(name) !== dims.join()) {
      throw new LichenError("BAD_ARGUMENT", {
        at: `adapter ${adapter.sha256.slice(0, 12)}: ${name}`,
        found: `[${dims}] of ${adapter.description.method}`,
        wanted: `parameters of ${plan.method}`,
        todo: "train with the adapter's own method, or start from the base",
      });
    }
  }
  return { ...startParameters(plan), ...Object.fromEntries(adapter.tensors) };
}

function describe(options: AdaptOptions, plan: Plan, metrics: AdapterDescription["metrics"]): AdapterDescription {
  const { card, sha256 } = options.model;
  const samplesPerClass: Record<string, number> = {};
  for (const { label } of options.samples) samplesPerClass[label] = (samplesPerClass[label] ?? 0) + 1;
  return {
    format: 1,
    base: { id: card.id, version: card.version, sha256 },
    method: plan.method,
    targets: [...new Set(plan.targets.map((target) => target.layer.name))],
    classes: card.labels,
    samplesPerClass,
    metrics,
    lineage: {
      parents: options.start ? [options.start.sha256] : [],
      contributors: [...(options.contributors ?? (options.board ? [options.board] : []))],
    },
    createdAt: options.createdAt ?? null,
    board: options.board ?? null,
  };
}
