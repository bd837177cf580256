import { LichenError } from "../errors.ts";
import { type Tensor, tensor } from "../onnx/tensor.ts";
import { type Random, shuffled } from "../random/random.ts";

export interface BatchOptions {
  /** Rows of the cache that hold the samples collected here. */
  local: readonly number[];
  /** Rows of the cache that hold the rehearsal pack. */
  rehearsal: readonly number[];
  /** Rehearsal samples for each local one. */
  mix: number;
  batch: number;
  /** The class of each local sample, in the order of `local`: each class then appears equally often, within `MOST_OFTEN`. */
  balance?: readonly number[] | undefined;
  /**
   * Rows of the cache with the augmented views of each local sample, in the order of `local`: each epoch then shows one of them,
   * and `local` itself only counts. @see viewRows
   */
  views?: readonly (readonly number[])[] | undefined;
}

export interface EpochOrder {
  /** int64 [steps, B] */
  order: Tensor<"int64">;
  /** float32 [steps, B]; each row adds up to 1 */
  shares: Tensor<"float32">;
  steps: number;
}

/** A part of an epoch that one native call runs. */
export interface EpochChunk extends EpochOrder {
  /** Rows of the cache to load, ascending, which `order` then counts from 0; null for the whole cache as it lies. */
  rows: readonly number[] | null;
}

/** How often a sample of a rare class may be shown in one epoch: more would only teach those few by heart. */
const MOST_OFTEN = 4;

/** Rows of K views of each sample, where the cache holds them one behind the other: sample·K + view. */
export const viewRows = (samples: number, views: number): number[][] =>
  Array.from({ length: samples }, (_, sample) => Array.from({ length: views }, (_, view) => sample * views + view));

export const stepsPerEpoch = (options: BatchOptions): number => Math.ceil(epochLength(options) / options.batch);

/** Every local sample once, some of the rehearsal pack, in random order; the last batch is filled up from the front with no weight. */
export function epochOrder(options: BatchOptions, random: Random): EpochOrder {
  return deal(epochRows(options, random), options.batch);
}

/**
 * The same epoch for a cache of which only some rows fit into memory at once: in the very order of `epochOrder`, cut into parts that
 * need at most `most` rows each. Where the whole cache fits, there is one part.
 * @param rows of the whole cache
 * @throws BAD_ARGUMENT when not even a batch fits
 */
export function epochChunks(
  options: BatchOptions,
  random: Random,
  { rows, most }: { rows: number; most: number },
): EpochChunk[] {
  const { batch } = options;
  if (rows <= most) return [{ ...epochOrder(options, random), rows: null }];
  if (most < batch)
    throw new LichenError("BAD_ARGUMENT", {
      at: "rows in memory",
      found: most,
      wanted: `at least a batch of ${batch}`,
    });
  const chosen = epochRows(options, random);
  const length = Math.floor(most / batch) * batch;
  return Array.from({ length: Math.ceil(chosen.length / length) }, (_, at) => {
    const part = chosen.slice(at * length, (at + 1) * length);
    // Ascending, so that a file is read from front to back.
    const loaded = [...new Set(part)].sort((a, b) => a - b);
    const place = new Map(loaded.map((row, index) => [row, index]));
    const dealt = deal(
      part.map((row) => place.get(row)!),
      batch,
    );
    return { ...dealt, rows: loaded };
  });
}

function epochLength({ local, rehearsal, mix, balance }: BatchOptions): number {
  const shown = balance ? sum([...repeats(balance).values()].map(({ shown }) => shown)) : local.length;
  return shown + rehearsed(shown, rehearsal, mix);
}

/** The rows of an epoch in the order in which they are shown. */
function epochRows({ local, rehearsal, mix, balance, views }: BatchOptions, random: Random): number[] {
  const samples = balance ? balanced(balance, random) : [...local.keys()];
  const view = (rows: readonly number[]) => rows[Math.floor(random() * rows.length)]!;
  const shown = samples.map((at) => (views ? view(views[at]!) : local[at]!));
  const mixedIn = shuffled(rehearsal, random);
  const extra = Array.from(
    { length: rehearsed(shown.length, rehearsal, mix) },
    (_, at) => mixedIn[at % mixedIn.length]!,
  );
  return shuffled([...shown, ...extra], random);
}

const rehearsed = (shown: number, rehearsal: readonly number[], mix: number): number =>
  rehearsal.length === 0 ? 0 : Math.round(shown * mix);

/** Each class as often as the most frequent one: all of its samples as many times as that takes, and chance picks for the rest. */
function balanced(labels: readonly number[], random: Random): number[] {
  return [...repeats(labels).values()].flatMap(({ members, shown }) => {
    const picks = shown % members.length === 0 ? members : shuffled(members, random);
    return Array.from({ length: shown }, (_, at) => picks[at % picks.length]!);
  });
}

/** By class: its samples, and how many times they are shown altogether. */
function repeats(labels: readonly number[]): Map<number, { members: number[]; shown: number }> {
  const classes = new Map<number, number[]>();
  for (const [sample, label] of labels.entries()) classes.set(label, [...(classes.get(label) ?? []), sample]);
  const largest = Math.max(...[...classes.values()].map((members) => members.length));
  return new Map(
    [...classes].map(([label, members]) => [label, { members, shown: Math.min(largest, MOST_OFTEN * members.length) }]),
  );
}

/** Rows into batches; what is missing in the last one is filled up from the front, with no share. */
function deal(rows: readonly number[], batch: number): EpochOrder {
  const steps = Math.ceil(rows.length / batch);
  const order = new BigInt64Array(steps * batch);
  const shares = new Float32Array(steps * batch);
  for (let at = 0; at < order.length; at++) {
    const last = Math.min(batch, rows.length - Math.floor(at / batch) * batch);
    order[at] = BigInt(rows[at % rows.length]!);
    shares[at] = at < rows.length ? 1 / last : 0;
  }
  return { order: tensor("int64", [steps, batch], order), shares: tensor("float32", [steps, batch], shares), steps };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
