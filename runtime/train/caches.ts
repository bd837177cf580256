import { derivePrefix } from "../derive/prefix.ts";
import { LichenError } from "../errors.ts";
import type { Tensor } from "../onnx/tensor.ts";
import type { ModelPackage, Rehearsal } from "../package/package.ts";
import type { Plan } from "../plan/plan.ts";
import type { BatchOptions } from "./batches.ts";
import { type Cache, fillCache, joinCaches, pickRows } from "./cache.ts";
import { type LocalSamples, splitRehearsal } from "./samples.ts";

export interface LabelledCache {
  cache: Cache;
  labels: readonly number[];
}

export interface Caches {
  /** Local samples, then those of the rehearsal pack that train along. */
  train: LabelledCache;
  heldOut: LabelledCache;
  /** Of the rehearsal pack, what only measures forgetting. */
  rehearsal: LabelledCache;
  batches: Pick<BatchOptions, "local" | "rehearsal">;
}

interface CachingOptions {
  model: ModelPackage;
  threads: number;
  signal?: AbortSignal;
  onProgress?: (progress: { phase: "cache"; done: number; total: number }) => void;
}

/** Runs the prefix over all samples and the rehearsal pack, and deals the results out. @throws CANCELLED, REHEARSAL_CORRUPT */
export async function cacheSamples(
  plan: Plan,
  local: LocalSamples,
  options: CachingOptions,
): Promise<Caches> {
  const { model, signal, threads, onProgress = () => {} } = options;
  const shared = { frontier: plan.frontier, threads, signal };
  const total = local.features.length;
  const samples = await fillCache({
    ...shared,
    prefix: derivePrefix(plan),
    from: plan.base.input.name,
    samples: local.features,
    onSample: (done) => onProgress({ phase: "cache", done, total }),
  });
  const train = { cache: pickRows(samples, local.train), labels: local.train.map((at) => local.labels[at]!) };
  const heldOut = { cache: pickRows(samples, local.heldOut), labels: local.heldOut.map((at) => local.labels[at]!) };
  const indices = [...local.train.keys()];
  const { rehearsal } = model;
  if (!rehearsal)
    return { train, heldOut, rehearsal: { cache: {}, labels: [] }, batches: { local: indices, rehearsal: [] } };

  const split = splitRehearsal(rehearsal);
  const pack = await fillCache({
    ...shared,
    prefix: rehearsalPrefix(plan, rehearsal),
    from: rehearsal.value,
    samples: [rehearsal.features as Tensor],
    onSample: () => {},
  });
  const label = (at: number) => rehearsal.labels[at]!;
  return {
    train: {
      cache: joinCaches(train.cache, pickRows(pack, split.train)),
      labels: [...train.labels, ...split.train.map(label)],
    },
    heldOut,
    rehearsal: { cache: pickRows(pack, split.heldOut), labels: split.heldOut.map(label) },
    batches: { local: indices, rehearsal: split.train.map((_, at) => indices.length + at) },
  };
}

function rehearsalPrefix(plan: Plan, rehearsal: Rehearsal) {
  try {
    return derivePrefix(plan, rehearsal.value);
  } catch (cause) {
    throw new LichenError("REHEARSAL_CORRUPT", {
      at: `value ${rehearsal.value}`,
      wanted: `a value at or before the frontier ${plan.frontier.join(", ")}`,
      cause,
    });
  }
}
