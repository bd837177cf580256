import { headOf } from "../derive/grow.ts";
import { assertWanted } from "../errors.ts";
import { openSession, type Tensors } from "../execute/session.ts";
import { isWeighted, type Layer } from "../integer/layers.ts";
import { constantOf, quantizedOperand } from "../integer/quantized.ts";
import { asModel } from "../onnx/builder.ts";
import { elementCount } from "../onnx/tensor.ts";
import { cut } from "../passes/cut.ts";
import { parameterName } from "../plan/parts.ts";
import type { Plan } from "../plan/plan.ts";
import { featuresOf } from "./samples.ts";
import { rows } from "./score.ts";
import type { Task } from "./task.ts";

/**
 * Start parameters with the rows of new classes imprinted: each points from the mean of all samples' embeddings to the mean of its
 * own, as long as the old classes' rows are on average, and answers to its own mean as the old classes do to their best.
 * @throws CANCELLED
 * @see Qi et al. 2018, arXiv:1712.07136
 */
export async function imprinted(
  plan: Plan,
  task: Task,
  start: Tensors,
  old: number,
  options: EmbedOptions,
): Promise<Tensors> {
  const layers = headOf(plan.base);
  const head = layers.find(isWeighted)!;
  const biased = layers.find((layer) => layer.bias)!;
  const weightName = parameterName(head, "weight");
  const weight = start[weightName]!;
  const embeddings = await embed(plan, head, task, options);

  const everywhere = meanOf(embeddings.map(({ embedding }) => embedding));
  const usual = averageNorm(realWeight(plan, head), head, old);
  const values = Float32Array.from(weight.data as Float32Array);
  const bias = biased && start[parameterName(biased, "bias")];
  const biases = bias && Float32Array.from(bias.data as Float32Array);
  for (let label = old; label < task.classes.length; label++) {
    const own = embeddings.filter((each) => each.label === label);
    if (own.length === 0) continue;
    const mean = meanOf(own.map(({ embedding }) => embedding));
    const way = mean.map((value, at) => value - everywhere[at]!);
    const length = Math.hypot(...way) || 1;
    const row = way.map((value) => (value * usual) / length);
    for (const [at, value] of row.entries()) values[placeOf(head, weight.dims, label, at)] = value;
    const best = meanOf(own.map(({ logits }) => [Math.max(...logits.subarray(0, old))]))[0]!;
    if (biases) biases[label] = best - row.reduce((sum, value, at) => sum + value * mean[at]!, 0);
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

/** What the last layer reads of each training sample, and what the base answers. */
async function embed(plan: Plan, head: Layer, task: Task, { threads, signal }: EmbedOptions) {
  const { graph, types, input, logits } = plan.base;
  const value = head.node.inputs[0]!;
  const session = await openSession(asModel(cut(graph, types, [input.name], [value, logits.name])), { threads });
  try {
    const found = [];
    for (const at of task.train) {
      assertWanted(signal, "imprinting");
      const label = task.labels[at]![0];
      if (label === undefined) continue;
      const results = await session.run({ [input.name]: await featuresOf(task.samples[at]!) });
      const embedding = Array.from(results[value]!.data as Float32Array);
      found.push({ label, embedding, logits: rows(results[logits.name]!, plan.base.classes)[0]! });
    }
    return found;
  } finally {
    await session.close();
  }
}

/** Where element `at` of a class's row stands in the weight. */
function placeOf({ weightAxis }: Layer, dims: readonly number[], label: number, at: number): number {
  return weightAxis === 0 ? label * elementCount(dims.slice(1)) + at : at * dims[1]! + label;
}

/** The weight in real numbers, in its own order. */
function realWeight({ base: { graph } }: Plan, { node, weight, weightAxis }: Layer): Float32Array {
  const { dequantize, at, dims } = weight!;
  if (!dequantize) return constantOf(graph, node.inputs[at]!).data as Float32Array;
  const operand = quantizedOperand(dequantize);
  const [quantized, scale, zero] = [operand.quantized, operand.scale, operand.zeroPoint].map((name) =>
    Array.from(constantOf(graph, name).data as Int8Array, Number),
  ) as [number[], number[], number[]];
  const inner = elementCount(dims.slice(weightAxis + 1));
  return Float32Array.from(quantized, (value, index) => {
    const channel = Math.floor(index / inner) % dims[weightAxis]!;
    return (value - (zero[channel] ?? zero[0]!)) * (scale[channel] ?? scale[0]!);
  });
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
