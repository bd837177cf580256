import { type Adapter, assertAdapterFits, type Metrics, makeAdapter } from "../adapter/adapter.ts";
import { parametersUnder } from "../adapter/parameters.ts";
import { prepareBase } from "../derive/base.ts";
import { deriveEpoch, EPOCH } from "../derive/epoch.ts";
import { deriveEvaluation } from "../derive/evaluation.ts";
import { growHead } from "../derive/grow.ts";
import { LichenError } from "../errors.ts";
import type { Tensors } from "../execute/session.ts";
import { type GateDecision, type GatePolicy, gate } from "../gate/gate.ts";
import { concatRows, float32 } from "../onnx/tensor.ts";
import { fingerprint, type ModelPackage } from "../package/package.ts";
import { type Plan, startParameters } from "../plan/plan.ts";
import { seeded } from "../random/random.ts";
import type { AugmentPolicy } from "../signal/augment/index.ts";
import { stepsPerEpoch } from "./batches.ts";
import { decodeCheckpoint, encodeCheckpoint, type RunIdentity } from "./checkpoint.ts";
import { choosePlan } from "./choose.ts";
import { type Dataset, makeDataset } from "./dataset.ts";
import { describeAdapter } from "./describe.ts";
import { type FitState, firstRate, trainParameters } from "./fit.ts";
import { imprinted } from "./imprint.ts";
import { type Measure, measureWith } from "./measure.ts";
import { type TrainingOptions, trainingOptions } from "./options.ts";
import { type ProbeOptions, probeLearningRate } from "./probe.ts";
import { type OpenRows, openRowCache } from "./rows.ts";
import { makeTask, type Task, type TaskOptions } from "./task.ts";
import { type Evaluator, openEvaluator, openTrainer, type Trainer } from "./trainer.ts";

/** What a run does one after the other: it weighs channels, fills the cache, tries learning rates, and trains. */
export const PROGRESS_PHASES = ["measure", "cache", "probe", "train"] as const;

export interface Progress {
  phase: (typeof PROGRESS_PHASES)[number];
  done: number;
  total: number;
  loss?: number;
  /** On held-out samples, 0 to 1. */
  accuracy?: number;
}

export interface AdaptOptions extends Partial<TrainingOptions>, TaskOptions {
  model: ModelPackage;
  /** One of the methods, or several joined by `+`, with settings behind colons: `head+lora:rank=8`. */
  method: string;
  /** Patterns of the layers to adapt; without them the method chooses. */
  targets?: readonly string[];
  /** The adapter being served now: training goes on from it and must beat it. */
  start?: Adapter;
  gate?: GatePolicy;
  /** What augmented views disturb. */
  augment?: AugmentPolicy;
  /** Where cached activations are kept; memory, by default. */
  openRows?: OpenRows;
  /** Where an interrupted run is taken up again; nowhere, by default. */
  checkpoint?: CheckpointStore;
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

/** Holds the last checkpoint of a run, whole or not at all. */
export interface CheckpointStore {
  load(): Promise<Uint8Array | null>;
  save(checkpoint: Uint8Array): Promise<void>;
  /** The run has ended. */
  clear(): Promise<void>;
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
  const training = trainingOptions(options);
  const { model, signal, start: incumbent } = options;
  if (incumbent) assertAdapterFits(incumbent, model);
  const lap = stopwatch(options.clockMs);
  const random = seeded(training.seed);

  const known = incumbent?.description.classes;
  const task = makeTask(model, { ...options, known }, training.holdOut, random);
  const base = growHead(prepareBase(model.model), task.newClasses);
  const plan = await choosePlan(base, model, task, options);
  const derive = lap();

  const cache = await openRowCache(plan, model, { openRows: options.openRows, threads: training.threads, signal });
  try {
    const dataset = await makeDataset(plan, model, task, cache, {
      training,
      augment: options.augment,
      onProgress: (done, total) => options.onProgress?.({ phase: "cache", done, total }),
    });
    const cached = lap();
    const trained = await train({ ...options, training, plan, task, dataset, random });
    await options.checkpoint?.clear();
    const metrics = { before: trained.before, after: trained.metrics };
    const adapter = makeAdapter(
      describeAdapter(options, plan, task, metrics),
      new Map(plan.parameters.map(({ name }) => [name, trained.parameters[name]!])),
    );
    const seconds = { derive, cache: cached, train: lap() };
    return {
      adapter,
      decision: gate(metrics.before, metrics.after, "local", options.gate),
      report: {
        method: plan.method,
        trainableParameters: plan.trainableParameters,
        adapterBytes: adapter.bytes.length,
        frontier: plan.frontier,
        before: withAccuracy(metrics.before),
        after: withAccuracy(metrics.after),
        epochs: trained.epochs,
        bestEpoch: trained.bestEpoch,
        learningRate: trained.learningRate,
        seconds: { ...seconds, total: seconds.derive + seconds.cache + seconds.train },
        trainingStateBytes: trained.stateBytes,
      },
    };
  } finally {
    await cache.close();
  }
}

interface Run extends AdaptOptions {
  training: TrainingOptions;
  plan: Plan;
  task: Task;
  dataset: Dataset;
  random: ReturnType<typeof seeded>;
}

async function train(run: Run) {
  const { plan, task, dataset, training, model } = run;
  const evaluator = await openEvaluator(await deriveEvaluation(plan), plan, training.threads);
  try {
    const measure = await measureWith(evaluator, model, task, dataset);
    const side = { ...dataset.train.side, ...(await teacher(run, evaluator)) };
    const start = await startOf(run);
    const trainer = await openTrainer(await deriveEpoch(plan, { ...training, terms: dataset.terms }), plan, {
      ...training,
      set: { rows: dataset.train.rows, side },
    });
    try {
      const { checkpoint } = run;
      const identity = identityOf(run);
      const resume = checkpoint && (await takenUp(checkpoint, identity));
      const batches = { ...dataset.batches, mix: training.rehearsalMix, batch: training.batch };
      const { count, rowBytes } = dataset.train.rows;
      const memory = { rows: count, most: Math.max(training.batch, Math.floor(training.cacheMemoryBytes / rowBytes)) };
      const fitted = await trainParameters(trainer, {
        resume,
        onCheckpoint: checkpoint && ((state) => checkpoint.save(encodeCheckpoint(state, identity))),
        epochs: training.epochs,
        learningRate: resume ? firstRate(resume) : await learningRate(run, trainer, { batches, memory, start }),
        schedule: training.schedule,
        patience: training.patience,
        batches,
        memory,
        start,
        random: run.random,
        ...(task.loss === "cross-entropy" && { chance: Math.log(task.classes.length) }),
        signal: run.signal,
        score: measure,
        onEpoch: (done, loss, { heldOut }) =>
          run.onProgress?.({
            phase: "train",
            done,
            total: training.epochs,
            loss,
            ...(heldOut && { accuracy: heldOut.accuracy }),
          }),
      });
      return {
        ...fitted,
        before: await beforeOf(run, measure, fitted.before),
        stateBytes: { predicted: 0, measured: 0 },
      };
    } finally {
      await trainer.close();
    }
  } finally {
    await evaluator.close();
  }
}

/** The rate that was asked for, or one found by trying. Its randomness is its own: the run that follows is the same either way. */
async function learningRate(
  { training, signal, onProgress }: Run,
  trainer: Trainer,
  probe: Pick<ProbeOptions, "batches" | "memory" | "start">,
): Promise<number> {
  if (training.learningRate !== "auto") return training.learningRate;
  onProgress?.({ phase: "probe", done: 0, total: 1 });
  const steps = training.epochs * stepsPerEpoch(probe.batches);
  const { rate } = await probeLearningRate(trainer, { ...probe, random: seeded(training.seed), steps, signal });
  onProgress?.({ phase: "probe", done: 1, total: 1 });
  return rate;
}

/** Everything that the outcome of a run depends on. */
function identityOf({ model, plan, training, dataset, start, augment }: Run): RunIdentity {
  const { threads: _, ...rest } = training;
  return {
    base: model.sha256,
    method: plan.method,
    plan: fingerprint(plan.spec, rest, dataset.fingerprint, start?.sha256 ?? null, augment ?? null),
  };
}

/** The run that was interrupted, if it was this one: a damaged or foreign checkpoint is as good as none. */
async function takenUp(checkpoint: CheckpointStore, identity: RunIdentity): Promise<FitState | undefined> {
  const bytes = await checkpoint.load();
  if (!bytes) return undefined;
  try {
    return decodeCheckpoint(bytes, identity, "checkpoint");
  } catch (error) {
    if (error instanceof LichenError) return undefined;
    throw error;
  }
}

/** Where training starts: at the adapter that serves now, or at the base; new classes at the means of their samples. */
async function startOf({ plan, task, start: incumbent, training, model }: Run): Promise<Tensors> {
  const from = incumbent ? parametersUnder(incumbent, plan) : startParameters(plan);
  const known = incumbent?.description.classes.length ?? model.card.labels.length;
  return known < task.classes.length ? imprinted(plan, task, from, known, training.threads) : from;
}

/** What serves now has no answer for classes that come only with this adapter. */
async function beforeOf(
  { plan, task, start: incumbent, model }: Run,
  measure: Measure,
  measured: Metrics,
): Promise<Metrics> {
  const known = incumbent?.description.classes.length ?? model.card.labels.length;
  if (known === task.classes.length) return measured;
  return measure(incumbent ? parametersUnder(incumbent, plan) : startParameters(plan), known);
}

/** The base's own logits on every training sample, where a loss asks for them. */
async function teacher({ plan, dataset }: Run, evaluator: Evaluator): Promise<Tensors> {
  const classes = dataset.terms.find(({ loss }) => loss === "distillation")?.teacherClasses;
  if (classes === undefined) return {};
  const logits = await evaluator.logits(dataset.train.rows, startParameters(plan));
  return { [EPOCH.teacher]: concatRows(logits.map((row) => float32([1, classes], row.subarray(0, classes)))) };
}

const withAccuracy = (metrics: Metrics) => ({ accuracy: metrics.heldOut?.accuracy ?? null, ...metrics });

/** Seconds since the last call. */
function stopwatch(clockMs: () => number = () => 0): () => number {
  let lastMs = clockMs();
  return () => {
    const sinceMs = lastMs;
    lastMs = clockMs();
    return (lastMs - sinceMs) / 1000;
  };
}
