import { LichenError } from "../errors.ts";
import { openSession } from "../execute/session.ts";
import type { Model, ValueName } from "../onnx/graph.ts";
import { byteLength, concatRows, sliceRows, type Tensor } from "../onnx/tensor.ts";

/** Frontier activations of all samples, by value; each [S, …], usually uint8 or int8. */
export type Cache = Readonly<Record<ValueName, Tensor>>;

export interface CacheOptions {
  /** null when the samples are at the frontier already. */
  prefix: Model | null;
  frontier: readonly ValueName[];
  /** The value of the model that the samples hold. */
  from: ValueName;
  /** Each [n, …] */
  samples: readonly Tensor[];
  threads: number;
  signal: AbortSignal | undefined;
  onSample(done: number): void;
}

/** Big enough to keep kernels busy, small enough that activations of a batch stay in a board's memory. */
const BATCH = 16;

/** Runs the frozen prefix once for every sample. @throws CANCELLED */
export async function fillCache(options: CacheOptions): Promise<Cache> {
  const { prefix, frontier, from, samples, signal } = options;
  const all = concatRows(samples);
  if (!prefix) return { [frontier[0]!]: all };
  const session = await openSession(prefix, { threads: options.threads });
  try {
    const parts: Record<string, Tensor>[] = [];
    const count = all.dims[0]!;
    for (let begin = 0; begin < count; begin += BATCH) {
      if (signal?.aborted) throw new LichenError("CANCELLED", { at: "cache" });
      const end = Math.min(begin + BATCH, count);
      parts.push(await session.run({ [from]: sliceRows(all, begin, end) }));
      options.onSample(end);
    }
    return Object.fromEntries(frontier.map((name) => [name, concatRows(parts.map((part) => part[name]!))]));
  } finally {
    await session.close();
  }
}

export const cacheBytes = (cache: Cache): number =>
  Object.values(cache).reduce((sum, value) => sum + byteLength(value), 0);

/** One cache behind the other: rows of `a`, then rows of `b`. */
export const joinCaches = (a: Cache, b: Cache): Cache =>
  Object.fromEntries(Object.entries(a).map(([name, value]) => [name, concatRows([value, b[name]!])]));

/** The rows at the given indices. */
export const pickRows = (cache: Cache, indices: readonly number[]): Cache =>
  Object.fromEntries(
    Object.entries(cache).map(([name, value]) => [
      name,
      indices.length === 0 ? sliceRows(value, 0, 0) : concatRows(indices.map((at) => sliceRows(value, at, at + 1))),
    ]),
  );
