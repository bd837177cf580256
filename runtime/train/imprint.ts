import { headOf } from "../derive/grow.ts";
import type { Tensors } from "../execute/session.ts";
import { isWeighted, type Layer } from "../integer/layers.ts";
import { realConstant } from "../integer/quantized.ts";
import { elementCount } from "../onnx/tensor.ts";
import { parameterName } from "../plan/parts.ts";
import type { Plan } from "../plan/plan.ts";
import { observe } from "./observe.ts";
import type { CachedRows } from "./rows.ts";
import { rows as rowsOf } from "./score.ts";

/** What rows of new classes are made of: cached samples that are of one class. */
export interface Examples {
  rows: CachedRows;
  /** Which of the rows are one sample each, and the class of each; undefined where nobody has said. */
  local: readonly number[];
  labels: readonly (number | undefined)[];
}

/**
 * Start parameters with the rows of new classes imprinted: each points from the mean of all samples' embeddings to the mean of its
 * own. Beside old classes it is as long as their rows are on average, and answers to its own mean as they do to their best; where
 * there are none, all answer alike to their own means, and nine to one against the others.
 * @param start where training would start otherwise, zeros in the new rows
 * @param old classes that have rows already
 * @throws CANCELLED
 * @see Qi et al. 2018, arXiv:1712.07136
 */
export async function imprinted(
  plan: Plan,
  start: Tensors,
  old: number,
  examples: Examples,
  options: EmbedOptions,
): Promise<Tensors> {
  const layers = headOf(plan.base);
  const head = layers.find(isWeighted)!;
  const biased = layers.find((layer) => layer.bias)!;
  const weightName = parameterName(head, "weight");
  const weight = start[weightName]!;
  const embedded = await embed(plan, start, head, examples, options);

  const everywhere = meanOf(embedded.map(({ embedding }) => embedding));
  const fresh = Array.from({ length: plan.base.classes - old }, (_, at) => {
    const own = embedded.filter((each) => each.label === old + at);
    const mean = meanOf(own.map(({ embedding }) => embedding));
    const best = old === 0 ? 0 : meanOf(own.map(({ logits }) => [Math.max(...logits.subarray(0, old))]))[0]!;
    return { label: old + at, mean, way: unit(minus(mean, everywhere)), best };
  }).filter(({ mean }) => mean.length > 0);
  const length = old === 0 ? decisive(fresh) : averageNorm(realWeight(plan, head, start), head, old);

  const values = Float32Array.from(weight.data as Float32Array);
  const bias = biased && start[parameterName(biased, "bias")];
  const biases = bias && Float32Array.from(bias.data as Float32Array);
  for (const { label, mean, way, best } of fresh) {
    const row = way.map((value) => value * length);
    for (const [at, value] of row.entries()) values[placeOf(head, weight.dims, label, at)] = value;
    if (biases) biases[label] = best - dot(row, mean);
  }
  return {
    ...start,
    [weightName]: { ...weight, data: values },
    ...(biases && { [parameterName(biased, "bias")]: { ...bias!, data: biases } }),
  };
}

interface EmbedOptions {
  threads: number;
  signal?: AbortSignal | undefined;
}

/** So sure is a class of its own mean, beside all others together. */
const ODDS = 9;

/** The length of rows that tells means apart: where a class meets its mean, the others lie ln(9 · their number) below it on average. */
function decisive(fresh: readonly { mean: number[]; way: number[] }[]): number {
  const gaps = fresh.flatMap((own) =>
    fresh.flatMap((other) => (other === own ? [] : [dot(other.way, minus(other.mean, own.mean))])),
  );
  const gap = gaps.reduce((sum, each) => sum + each, 0) / Math.max(1, gaps.length);
  return gap > 0 ? Math.log(ODDS * (fresh.length - 1)) / gap : 0;
}

/** What the last layer reads of each sample where training starts, and what the model answers there. */
async function embed(
  plan: Plan,
  start: Tensors,
  head: Layer,
  { rows, local, labels }: Examples,
  { threads, signal }: EmbedOptions,
) {
  const { logits, classes } = plan.base;
  const value = head.node.inputs[0]!;
  const known = local.flatMap((row, at) => (labels[at] === undefined ? [] : [{ row, label: labels[at] }]));
  const found: { embedding: number[]; logits: Float32Array }[] = [];
  const see = (results: Tensors, batch: readonly number[]) => {
    const embeddings = results[value]!;
    const own = rowsOf(embeddings, embeddings.data.length / batch.length);
    const answers = rowsOf(results[logits.name]!, classes);
    for (const at of batch.keys()) found.push({ embedding: Array.from(own[at]!), logits: answers[at]! });
  };
  const chosen = known.map(({ row }) => row);
  const options = { purpose: "imprinting", threads, signal };
  await observe(plan, start, [value, logits.name], rows, chosen, see, options);
  return known.map(({ label }, at) => ({ label, ...found[at]! }));
}

/** Where element `at` of a class's row stands in the weight. */
function placeOf({ weightAxis }: Layer, dims: readonly number[], label: number, at: number): number {
  return weightAxis === 0 ? label * elementCount(dims.slice(1)) + at : at * dims[1]! + label;
}

/** The weight in real numbers, in its own order, where training starts. */
function realWeight(plan: Plan, head: Layer, start: Tensors): Float32Array {
  const moved = start[parameterName(head, "weight")]!.data as Float32Array;
  return baseWeight(plan, head).map((value, at) => value + moved[at]!);
}

function baseWeight({ base: { graph } }: Plan, { node, weight, weightAxis }: Layer): Float32Array {
  return realConstant(graph, node.inputs[weight!.at]!, weight!.dequantize, weightAxis);
}

function averageNorm(values: Float32Array, head: Layer, classes: number): number {
  const { dims } = head.weight!;
  const width = elementCount(dims) / dims[head.weightAxis]!;
  const norms = Array.from({ length: classes }, (_, label) =>
    Math.hypot(...Array.from({ length: width }, (_, at) => values[placeOf(head, dims, label, at)]!)),
  );
  return norms.reduce((sum, norm) => sum + norm, 0) / classes;
}

const meanOf = (vectors: readonly (readonly number[])[]): number[] =>
  (vectors[0] ?? []).map((_, at) => vectors.reduce((sum, vector) => sum + vector[at]!, 0) / vectors.length);

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, at) => sum + value * b[at]!, 0);

const minus = (a: readonly number[], b: readonly number[]): number[] => a.map((value, at) => value - b[at]!);

function unit(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}
