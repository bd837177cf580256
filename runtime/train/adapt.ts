import { type Adapter, type Metrics, makeAdapter } from "../adapter/adapter.ts";
import { LichenError } from "../errors.ts";
import { type GateDecision, gate } from "../gate/gate.ts";
import type { Rehearsal } from "../package/package.ts";
import type { Explanation } from "../plan/index.ts";
import { choosePlan } from "./choose.ts";
import { makeDataset } from "./dataset.ts";
import { describeAdapter } from "./describe.ts";
import { makeJob } from "./job.ts";
import type { AdaptOptions } from "./request.ts";
import { openRowCache } from "./rows.ts";
import { train } from "./run.ts";

export interface AdaptReport {
  method: string;
  trainableParameters: number;
  adapterBytes: number;
  frontier: readonly string[];
  /** Why `adaptive` chose what it did; null for methods that were told. */
  explanation: Explanation | null;
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
 * @throws UNKNOWN_CLASS, TOO_FEW_SAMPLES, ONE_CLASS, SAMPLES_ALIKE, BAD_SAMPLE, BAD_CARD, UNKNOWN_METHOD, NOTHING_TO_TRAIN, NO_GRADIENT, ADAPTER_WRONG_BASE, DIVERGED, CANCELLED
 */
export async function adapt(request: AdaptOptions): Promise<AdaptResult> {
  const { reference, ...options } = placed(request);
  const { model, signal } = options;
  const lap = stopwatch(options.clockMs);
  const { training, random, task, base } = makeJob(options);
  const { plan, explanation } = await choosePlan(base, task, training, options);
  const derive = lap();

  const cache = await openRowCache(plan, model, { openRows: options.openRows, threads: training.threads, signal });
  try {
    const dataset = await makeDataset(plan, model, task, cache, {
      training,
      augment: options.augment,
      reference,
      signal,
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
      decision: gate(metrics.before, metrics.after, "local", options.gate, task),
      report: {
        method: plan.method,
        trainableParameters: plan.trainableParameters,
        adapterBytes: adapter.bytes.length,
        frontier: plan.frontier,
        explanation,
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

/** A request whose pack, where training starts by aligning, is no more to be kept but only to be aligned with. @throws BAD_ARGUMENT */
function placed(request: AdaptOptions): AdaptOptions & { reference?: Rehearsal } {
  const { align, start, model } = request;
  // An adapter that serves already has been there.
  if (!align || start) return request;
  const { rehearsal, ...bare } = model;
  if (rehearsal) return { ...request, model: bare, reference: rehearsal };
  throw new LichenError("BAD_ARGUMENT", {
    at: "align",
    found: `no rehearsal pack in ${model.path}`,
    wanted: "a package that has one: it says what the base's own world is like",
    todo: "make one with lichen import --rehearsal",
  });
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
