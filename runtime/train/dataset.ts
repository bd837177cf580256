import { rowKey, viewRandom } from "../cache/index.ts";
import { EPOCH, type LossTerm } from "../derive/epoch.ts";
import { assertWanted, LichenError } from "../errors.ts";
import type { Tensors } from "../execute/session.ts";
import { bytesOf, concatRows, float32, sliceRows, tensor } from "../onnx/tensor.ts";
import { fingerprint, type ModelPackage, type Rehearsal, sha256 } from "../package/package.ts";
import type { Plan } from "../plan/plan.ts";
import { AUGMENT_POLICY, type AugmentPolicy } from "../signal/augment/index.ts";
import { type BatchOptions, viewRows } from "./batches.ts";
import type { TrainingOptions } from "./options.ts";
import { type CachedRows, joined, type RowCache, type RowSource, resident } from "./rows.ts";
import { featuresOf, type Sample, sampleId, splitRehearsal } from "./samples.ts";
import { ownClasses, rehearsalFor, type Task } from "./task.ts";
import { lossTerms, type Role, takesPart } from "./terms.ts";
import type { TrainingSet } from "./trainer.ts";

/** Everything that training and judging read, cached at the frontier. */
export interface Dataset {
  train: TrainingSet;
  terms: readonly LossTerm[];
  batches: Omit<BatchOptions, "mix" | "batch">;
  heldOut: CachedRows;
  /** Of the rehearsal pack, what only measures forgetting. */
  rehearsal: { rows: CachedRows; labels: readonly number[] };
  /** What the base's own world is like, where training starts by aligning with it. */
  reference: { rows: CachedRows; labels: readonly number[] } | null;
  /** Stands for all samples, their views and their labels. */
  fingerprint: string;
}

export interface DatasetOptions {
  training: TrainingOptions;
  augment?: AugmentPolicy | undefined;
  reference?: Rehearsal | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Runs the prefix over all samples and the rehearsal pack, and deals the results out. @throws CANCELLED, REHEARSAL_CORRUPT */
export async function makeDataset(
  plan: Plan,
  model: ModelPackage,
  task: Task,
  cache: RowCache,
  options: DatasetOptions,
): Promise<Dataset> {
  const { training, onProgress = () => {} } = options;
  const total = task.train.length + task.heldOut.length;
  const from = plan.base.input.name;
  const views = task.train.every((at) => task.samples[at]!.views) ? training.views : 0;
  // One after the other, since each may be read from a file.
  const sources = async (indices: readonly number[], count: number) => {
    const found: RowSource[] = [];
    for (const at of indices) {
      assertWanted(options.signal, "samples");
      found.push(await sampleSource(task.samples[at]!, count, training.seed, options.augment));
    }
    return found;
  };
  const [trainSources, heldOutSources] = [await sources(task.train, views), await sources(task.heldOut, 0)];
  const local = await cache.add(trainSources, from, (done) => onProgress(done, total));
  const heldOut = await cache.add(heldOutSources, from, (done) => onProgress(task.train.length + done, total));
  await assertDifferent(local, views + 1);
  const rehearsal = rehearsalFor(model, task);
  const pack = rehearsal ? await cachePack(cache, rehearsal) : null;

  const roles: Role[] = [
    ...task.train.flatMap((sample) => {
      const role = { sample, label: task.labels[sample]![0] ?? null, rehearsed: false };
      return Array<Role>(views + 1).fill(role);
    }),
    ...(pack?.train.labels ?? []).map((label) => ({ sample: null, label, rehearsed: true })),
  ];
  const rows = pack ? joined(local, pack.train.rows) : local;
  const oldClasses = ownClasses(model, task);
  const terms = lossTerms(task, roles, oldClasses, training);
  if (terms.length === 0) {
    const wanted = "labels, or an entropy above 0";
    throw new LichenError("NOTHING_TO_TRAIN", {
      at: "losses",
      found: "no label, and an entropy that counts nothing",
      wanted,
    });
  }
  const rowsOf = viewRows(task.train.length, views + 1);
  const labels = task.train.map((at) => task.labels[at]![0]);
  const balances = training.balance === "on" && task.loss === "cross-entropy";
  const balance = balances && labels.every((label) => label !== undefined) ? labels : undefined;
  return {
    train: { rows: await heldInMemory(rows, training), side: await sideOf(plan, oldClasses, task, roles, terms) },
    terms,
    batches: {
      local: rowsOf.map(([first]) => first!),
      rehearsal: (pack?.train.labels ?? []).map((_, at) => local.count + at),
      ...(balance && { balance: balance as number[] }),
      ...(views > 0 && { views: rowsOf }),
    },
    heldOut: await heldInMemory(heldOut, training),
    rehearsal: pack ? pack.heldOut : { rows: NO_ROWS, labels: [] },
    reference: options.reference ? await cacheExamples(cache, options.reference) : null,
    fingerprint: fingerprint(
      [...trainSources, ...heldOutSources].map(({ keys }) => keys),
      task.labels,
    ),
  };
}

/** A stuck camera or a dead microphone gives the same sample for ever. @throws SAMPLES_ALIKE */
async function assertDifferent(rows: CachedRows, perSample: number): Promise<void> {
  if (rows.count <= perSample) return;
  const bytesOfRow = async (row: number) => Object.values(await rows.load([row])).map(bytesOf);
  const first = await bytesOfRow(0);
  for (let row = perSample; row < rows.count; row += perSample) {
    const other = await bytesOfRow(row);
    if (first.some((bytes, at) => Buffer.compare(bytes, other[at]!) !== 0)) return;
  }
  throw new LichenError("SAMPLES_ALIKE", { found: `${rows.count / perSample} times the same` });
}

const NO_ROWS: CachedRows = { count: 0, rowBytes: 0, load: async () => ({}) };

/** Whether all of it may stay in memory is the caller's limit. */
const heldInMemory = (rows: CachedRows, { cacheMemoryBytes }: TrainingOptions): CachedRows | Promise<CachedRows> =>
  rows.count * rows.rowBytes <= cacheMemoryBytes ? resident(rows) : rows;

async function sampleSource(sample: Sample, views: number, seed: number, policy = AUGMENT_POLICY): Promise<RowSource> {
  const id = await sampleId(sample);
  const keys = Array.from({ length: views + 1 }, (_, at) =>
    rowKey({ sample: id, view: at === 0 ? undefined : { number: at, seed, policy } }),
  );
  return {
    keys,
    async load(missing) {
      const augmented = missing.filter((at) => at > 0);
      const made = augmented.length > 0 ? await sample.views!(augmented.map((at) => viewRandom(keys[at]!))) : [];
      return [...(missing.includes(0) ? [await featuresOf(sample)] : []), ...made];
    },
  };
}

/** Of each class every other example trains along; the rest only measures what is forgotten. @throws REHEARSAL_CORRUPT */
async function cachePack(cache: RowCache, rehearsal: Rehearsal) {
  const split = splitRehearsal(rehearsal);
  return {
    train: await cacheExamples(cache, rehearsal, split.train),
    heldOut: await cacheExamples(cache, rehearsal, split.heldOut),
  };
}

/** @throws REHEARSAL_CORRUPT */
async function cacheExamples(
  cache: RowCache,
  { value, features, labels }: Rehearsal,
  indices: readonly number[] = [...labels.keys()],
) {
  const sources = indices.map((at) => {
    const row = sliceRows(features, at, at + 1);
    const keys = [rowKey({ sample: sha256(bytesOf(row)) })];
    return { keys, load: async () => [row] };
  });
  const rows = await cache.add(sources, value).catch((cause: unknown) => {
    if (!(cause instanceof LichenError) || !["BAD_ARGUMENT", "BAD_SAMPLE"].includes(cause.code)) throw cause;
    throw new LichenError("REHEARSAL_CORRUPT", {
      at: `value ${value}`,
      wanted: "a value at or before the frontier",
      cause,
    });
  });
  return { rows: await resident(rows), labels: indices.map((at) => labels[at]!) };
}

/** Everything but the teacher, whose opinion is asked once the evaluation graph is there. */
async function sideOf(
  plan: Plan,
  oldClasses: number,
  task: Task,
  roles: readonly Role[],
  terms: readonly LossTerm[],
): Promise<Tensors> {
  const count = roles.length;
  const side: Record<string, Tensors[string]> = {};
  for (const { loss, partial } of terms) {
    if (partial) {
      side[EPOCH.part(loss)] = float32(
        [count],
        roles.map((role) => (takesPart(loss, role, oldClasses) ? 1 : 0)),
      );
    }
    if (loss === "cross-entropy")
      side[EPOCH.labels] = tensor(
        "int64",
        [count],
        BigInt64Array.from(roles, ({ label }) => BigInt(label ?? 0)),
      );
    if (loss === "bce") {
      const rows = roles.map(({ sample, label }) => (sample === null ? [label!] : task.labels[sample]!));
      const hot = rows.flatMap((own) => task.classes.map((_, at) => (own.includes(at) ? 1 : 0)));
      side[EPOCH.targets] = float32([count, task.classes.length], hot);
    }
    if (loss === "reconstruction") {
      const inputs = await Promise.all(roles.map(({ sample }) => featuresOf(task.samples[sample!]!)));
      const all = concatRows(inputs);
      side[EPOCH.targets] = { ...all, dims: [count, plan.base.classes] };
    }
  }
  return side;
}
