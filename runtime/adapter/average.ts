import { LichenError } from "../errors.ts";
import { bytesOf, elementCount, float32, type Tensor } from "../onnx/tensor.ts";
import { type Adapter, type AdapterDescription, makeAdapter } from "./adapter.ts";

/** What the average says of itself beyond its adapters. */
export interface AverageOptions {
  createdAt?: string;
  board?: string;
}

/**
 * The mean of adapters of one base and method, each weighted by the samples it was trained on. Exact, since the parameters enter
 * what is served linearly; where they do not, there is no average. The order of the adapters does not matter to the last bit, and
 * one that is given twice counts once. How good the average is, nobody has measured: its scores are empty.
 * @throws BAD_ARGUMENT for no adapters, or none with samples; AVERAGE_MISMATCH naming what differs; AVERAGE_NOT_LINEAR
 */
export function averageAdapters(adapters: readonly Adapter[], options: AverageOptions = {}): Adapter {
  const distinct = [...new Map(adapters.map((adapter) => [adapter.sha256, adapter])).values()].sort((a, b) =>
    a.sha256 < b.sha256 ? -1 : 1,
  );
  const [first, ...others] = distinct;
  if (!first) throw new LichenError("BAD_ARGUMENT", { at: "average", found: "no adapters", wanted: "at least one" });
  for (const other of others) assertAlike(first, other);
  assertLinear(first);

  const weights = distinct.map(samplesOf);
  if (!weights.some((weight) => weight > 0)) {
    throw new LichenError("BAD_ARGUMENT", {
      at: "average",
      found: "adapters of no samples",
      wanted: "samples to weigh by",
    });
  }
  const tensors = new Map(
    [...first.tensors.keys()].map((name) => [
      name,
      mean(
        distinct.map(({ tensors }) => tensors.get(name)!),
        weights,
      ),
    ]),
  );
  return makeAdapter(describe(distinct, options), tensors);
}

/** Fields that tell of the one run that made an adapter; all others say what the adapter is, and have to agree. */
const OF_THE_RUN: readonly string[] = [
  "samplesPerClass",
  "metrics",
  "lineage",
  "createdAt",
  "board",
] satisfies (keyof AdapterDescription)[];

function assertAlike(first: Adapter, other: Adapter): void {
  const differs = (what: string, found: string, wanted: string) =>
    new LichenError("AVERAGE_MISMATCH", {
      at: `${what} of adapter ${short(other)}`,
      found,
      wanted: `${wanted}, as adapter ${short(first)}`,
    });
  const [a, b] = [kindOf(first), kindOf(other)];
  for (const field of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (OF_THE_RUN.includes(field)) continue;
    const [wanted, found] = [a[field], b[field]].map((value) => JSON.stringify(value) ?? "nothing");
    if (wanted !== found) throw differs(field, found!, wanted!);
  }
  for (const name of new Set([...first.tensors.keys(), ...other.tensors.keys()])) {
    const [wanted, found] = [first.tensors.get(name), other.tensors.get(name)];
    if (shown(wanted) !== shown(found)) throw differs(`tensor ${name}`, shown(found), shown(wanted));
    // What is no real number is a choice (which channels, which weights): parameters of different choices do not add up.
    if (wanted!.type !== "float32" && Buffer.compare(bytesOf(wanted!), bytesOf(found!)) !== 0)
      throw differs(`tensor ${name}`, "another choice", "the same");
  }
}

/** What an adapter says of itself, with the base by its hash alone: ids and versions are names for people. */
const kindOf = ({ description: { base, ...rest } }: Adapter): Readonly<Record<string, unknown>> => ({
  ...rest,
  base: base.sha256,
});

/**
 * How a method's parameters enter what is served: `linear`, or as a product of two factors, which is linear as long as only one
 * of them is trained and in the file. Here until `averages` of the methods' own table says it.
 */
const AVERAGES: Readonly<Record<string, "linear" | { factors: readonly [string, string] }>> = {
  head: "linear",
  bias: "linear",
  scale: "linear",
  sparse: "linear",
  layerwise: "linear",
  full: "linear",
  prompt: "linear",
  lora: { factors: ["down", "up"] },
};

function assertLinear(adapter: Adapter): void {
  const { method } = adapter.description;
  const refused = (at: string, found: string) =>
    new LichenError("AVERAGE_NOT_LINEAR", { at: `method ${at}`, found, wanted: "parameters that enter linearly" });
  for (const name of method.split("+").map((part) => part.split(":")[0]!)) {
    const kind = AVERAGES[name];
    if (kind === undefined) throw refused(name, "parameters that pass through an activation or are unknown");
    if (kind === "linear") continue;
    const isTrained = (factor: string) => [...adapter.tensors.keys()].some((tensor) => tensor.endsWith(`/${factor}`));
    if (kind.factors.every(isTrained)) throw refused(name, `two trained factors, ${kind.factors.join(" and ")}`);
  }
}

/** In float64, where the products of float32 and counts are exact: equal tensors have themselves as their mean. */
function mean(values: readonly Tensor[], weights: readonly number[]): Tensor {
  const first = values[0]!;
  if (first.type !== "float32") return first;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const sums = new Float64Array(elementCount(first.dims));
  values.forEach(({ data }, at) => {
    for (let i = 0; i < sums.length; i++) sums[i]! += (data[i] as number) * weights[at]!;
  });
  return float32(
    first.dims,
    sums.map((sum) => sum / total),
  );
}

function describe(adapters: readonly Adapter[], { createdAt, board }: AverageOptions): AdapterDescription {
  const descriptions = adapters.map(({ description }) => description);
  const samplesPerClass: Record<string, number> = {};
  for (const [label, samples] of descriptions.flatMap((each) => Object.entries(each.samplesPerClass)))
    samplesPerClass[label] = (samplesPerClass[label] ?? 0) + samples;
  const unknown = { heldOut: null, rehearsal: null };
  return {
    ...descriptions[0]!,
    samplesPerClass: Object.fromEntries(Object.entries(samplesPerClass).sort(([a], [b]) => (a < b ? -1 : 1))),
    metrics: { before: unknown, after: unknown },
    lineage: {
      parents: adapters.map(({ sha256 }) => sha256),
      contributors: [...new Set(descriptions.flatMap(({ lineage }) => lineage.contributors))].sort(),
    },
    createdAt: createdAt ?? null,
    board: board ?? null,
  };
}

export const samplesOf = ({ description }: Adapter): number =>
  Object.values(description.samplesPerClass).reduce((sum, samples) => sum + samples, 0);

const short = ({ sha256 }: Adapter): string => sha256.slice(0, 12);

const shown = (value: Tensor | undefined): string => (value ? `${value.type}[${value.dims}]` : "nothing");
