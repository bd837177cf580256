import { cacheName, createMemoryRows, packRow, type RowStore, rowLayout, unpackRows } from "../cache/index.ts";
import { derivePrefix } from "../derive/prefix.ts";
import { assertWanted, errorCode, LichenError } from "../errors.ts";
import { openSession } from "../execute/session.ts";
import type { Dim, ValueName } from "../onnx/graph.ts";
import { concatRows, gatherRows, type Tensor } from "../onnx/tensor.ts";
import type { ModelPackage } from "../package/package.ts";
import type { Plan } from "../plan/plan.ts";
import { checkedFeatures } from "./samples.ts";

/** Frontier activations of some samples, by value; each [S, …], usually uint8 or int8. */
export type Cache = Readonly<Record<ValueName, Tensor>>;

/** Where a store of rows comes from: a folder of the device, or memory. */
export type OpenRows = (store: { name: string; rowBytes: number }) => Promise<RowStore>;

/** Rows that belong together: a sample, and its augmented views. */
export interface RowSource {
  /** One a row. */
  keys: readonly string[];
  /** What the model takes in, of those rows that are not cached yet; each [1, …]. */
  load(missing: readonly number[]): Promise<readonly Tensor[]>;
}

/** Cached rows as the graphs read them, wherever they lie. */
export interface CachedRows {
  readonly count: number;
  readonly rowBytes: number;
  /** Some rows in the order asked for, or all. */
  load(rows?: readonly number[]): Promise<Cache>;
}

export interface RowCache {
  /** Runs the frozen prefix for what is not there yet. @param from the value that the sources hold. @throws CANCELLED */
  add(sources: readonly RowSource[], from: ValueName, onSource?: (done: number) => void): Promise<CachedRows>;
  close(): Promise<void>;
}

/** Big enough to keep kernels busy, small enough that activations of a batch stay in a board's memory. */
const BATCH = 16;

/** The cache of a plan: the frozen prefix runs once for every sample, whatever is trained behind it. */
export async function openRowCache(
  plan: Plan,
  model: ModelPackage,
  options: { openRows?: OpenRows | undefined; threads: number; signal?: AbortSignal | undefined },
): Promise<RowCache> {
  const fields = plan.frontier.map((name) => {
    const { type, shape } = plan.base.types.get(name)!;
    return { name, type, shape: shape.slice(1).map((size) => fixed(size, name, shape)) };
  });
  const layout = rowLayout(fields);
  const { rowBytes } = layout;
  const { openRows = inMemory, threads, signal } = options;
  const identity = { base: model.sha256, preprocessing: model.card.preprocessing, frontier: fields };
  const store = await openRows({ name: cacheName(identity), rowBytes });

  const needed = new Set<string>();
  /** Rows that earlier runs left make room for those of this one. */
  const append = (key: string, row: Uint8Array) =>
    store.append(key, row).catch((error: unknown) => {
      if (errorCode(error) !== "CACHE_FULL") throw error;
      store.keepOnly(needed);
      return store.append(key, row);
    });

  const fill = async (sources: readonly RowSource[], from: ValueName, onSource: (done: number) => void) => {
    const prefix = derivePrefix(plan, from);
    const taken = { name: from, ...plan.base.types.get(from)! };
    const session = prefix && (await openSession(prefix, { threads }));
    let waiting: { key: string; features: Tensor }[] = [];
    const flush = async () => {
      const batch = waiting.splice(0, BATCH);
      if (batch.length === 0) return;
      const features = concatRows(batch.map((each) => each.features));
      const values = session ? await session.run({ [from]: features }) : { [fields[0]!.name]: features };
      for (const [at, { key }] of batch.entries()) await append(key, packRow(layout, values, at));
    };
    try {
      for (const [done, { keys, load }] of sources.entries()) {
        assertWanted(signal, "cache");
        const missing = [...keys.keys()].filter((at) => store.find(keys[at]!) === undefined);
        const loaded = missing.length > 0 ? await load(missing) : [];
        const features = loaded.map((each) => checkedFeatures(each, taken));
        waiting = [...waiting, ...missing.map((at, index) => ({ key: keys[at]!, features: features[index]! }))];
        while (waiting.length >= BATCH) await flush();
        onSource(done + 1);
      }
      while (waiting.length > 0) await flush();
    } finally {
      await session?.close();
    }
  };

  return {
    async add(sources, from, onSource = () => {}) {
      const keys = sources.flatMap((source) => source.keys);
      for (const key of keys) needed.add(key);
      await fill(sources, from, onSource);
      const read = (rows: readonly number[]) => store.read(rows.map((row) => store.find(keys[row]!) ?? -1));
      return {
        count: keys.length,
        rowBytes,
        async load(rows = [...keys.keys()]) {
          const bytes = await read(rows).catch(async (error: unknown) => {
            // Rows went bad on the medium: they can be computed again.
            if (errorCode(error) !== "CACHE_DAMAGED") throw error;
            await fill(sources, from, () => {});
            return read(rows);
          });
          return unpackRows(layout, bytes);
        },
      };
    },
    close: () => store.close(),
  };
}

/** All rows are of one size. @throws NO_SHAPE */
function fixed(size: Dim, name: ValueName, shape: readonly Dim[]): number {
  if (typeof size === "number") return size;
  throw new LichenError("NO_SHAPE", {
    at: `value ${name}`,
    found: `[${shape}]`,
    wanted: "sizes that are fixed but for the batch",
  });
}

const inMemory: OpenRows = async ({ rowBytes }) => createMemoryRows({ rowBytes, maxBytes: Number.MAX_SAFE_INTEGER });

/** Rows held in memory once they have been read, for those that are needed again and again. */
export async function resident(rows: CachedRows): Promise<CachedRows> {
  const all = rows.count > 0 ? await rows.load() : {};
  const load = async (wanted?: readonly number[]) =>
    wanted ? mapValues(all, (value) => gatherRows(value, wanted)) : all;
  return { count: rows.count, rowBytes: rows.rowBytes, load };
}

/** Some of the rows, in the order given. */
export const subset = (all: CachedRows, chosen: readonly number[]): CachedRows => ({
  count: chosen.length,
  rowBytes: all.rowBytes,
  load: (rows) => all.load(rows === undefined ? chosen : rows.map((row) => chosen[row]!)),
});

/** The rows of one, and behind them those of another; to be asked for in ascending order. */
export function joined(a: CachedRows, b: CachedRows): CachedRows {
  if (b.count === 0) return a;
  return {
    count: a.count + b.count,
    rowBytes: a.rowBytes,
    async load(rows) {
      const first = await a.load(rows?.filter((row) => row < a.count));
      const second = await b.load(rows?.filter((row) => row >= a.count).map((row) => row - a.count));
      return Object.fromEntries(
        Object.entries(first).map(([name, value]) => [name, concatRows([value, second[name]!])]),
      );
    },
  };
}

const mapValues = (cache: Cache, change: (value: Tensor) => Tensor): Cache =>
  Object.fromEntries(Object.entries(cache).map(([name, value]) => [name, change(value)]));
