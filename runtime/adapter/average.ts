import { LichenError } from "../errors.ts";
import { findMethod, parseMethods, withSettings } from "../methods/index.ts";
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
    const difference = firstDifference(a[field], b[field], field);
    if (difference) throw differs(difference.at, brief(difference.found), brief(difference.wanted));
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

interface Difference {
  at: string;
  found: unknown;
  wanted: unknown;
}

/** Of lists, the first entry that differs: what a layer's settings are says more than what those of all layers are. */
function firstDifference(wanted: unknown, found: unknown, at: string): Difference | undefined {
  if (JSON.stringify(wanted) === JSON.stringify(found)) return undefined;
  if (!Array.isArray(wanted) || !Array.isArray(found)) return { at, found, wanted };
  const entry = Array.from({ length: Math.max(wanted.length, found.length) }).findIndex(
    (_, index) => JSON.stringify(wanted[index]) !== JSON.stringify(found[index]),
  );
  return { at: `${at}[${entry}]`, found: found[entry], wanted: wanted[entry] };
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= 120 ? text : `${text.slice(0, 119)}…`;
}

/** By the plan where the adapter carries one, since a method's settings decide; else by the method's name alone. */
function assertLinear({ description: { method, plan } }: Adapter): void {
  const asked = plan
    ? plan.map((entry) => withSettings(findMethod(entry.method), entry.settings))
    : parseMethods(method);
  const odd = asked.find((each) => !each.method.averages(each.settings));
  if (!odd) return;
  const settings = Object.entries(odd.settings).map(([name, value]) => `${name}=${value}`);
  throw new LichenError("AVERAGE_NOT_LINEAR", {
    at: [odd.method.name, settings.join(",")].filter(Boolean).join(":"),
    found: "parameters whose changes do not add up",
    wanted: "parameters that enter linearly",
  });
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
