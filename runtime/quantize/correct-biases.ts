import { assertWanted } from "../errors.ts";
import { openSession } from "../execute/session.ts";
import { isDequantize, isQuantize, linksOf } from "../normalize/qdq/links.ts";
import { asModel } from "../onnx/builder.ts";
import type { Graph, Model, Node, ValueName } from "../onnx/graph.ts";
import { elementCount, int32, type Tensor } from "../onnx/tensor.ts";
import { operands } from "../onnx/topological.ts";
import { prune } from "../passes/prune.ts";
import { observe, type Pass } from "./calibration/observe.ts";
import { inBatches, rowsOf } from "./calibration/samples.ts";
import { BIAS_LIMIT } from "./parameters.ts";
import type { Probed } from "./probe.ts";

/** What the codes between two layers take for all samples of one batch is carried from one to the next. */
const ROWS = 8;

/**
 * Rounding weights and clipping activations shifts the mean of what a layer computes; its bias takes that back. Layer by layer: each is
 * measured on what the layers before it, corrected already, really hand to it. @see Nagel et al. 2019 (arXiv:1906.04721), appendix D
 * @param layers names of the layers, the same in both
 * @param pass as few samples as give a mean: all that one layer hands to the next is kept for each
 */
export async function withCorrectedBiases(
  quantized: Model,
  float: Graph,
  layers: ReadonlySet<string>,
  probed: ReadonlyMap<ValueName, Probed>,
  pass: Pass,
): Promise<Model> {
  const means = await channelMeans(float, layers, probed, pass);
  const initializers = new Map(quantized.graph.initializers);
  const graph: Graph = { ...quantized.graph, initializers };
  const links = linksOf(graph);
  const input = graph.inputs[0]!.name;

  let carried: Record<ValueName, Tensor>[] = [];
  for await (const batch of inBatches(pass.samples, Math.min(ROWS, rowsOf(graph)))) carried.push({ [input]: batch });
  let begin = 0;
  for (const [at, node] of graph.nodes.entries()) {
    const bias = means.has(node.name) ? storedBias(graph, links.producer(node.inputs[2] ?? "")) : undefined;
    if (!bias) continue;
    assertWanted(pass.signal, "correcting biases");
    const y = node.outputs[0]!;
    const seen = await runPart(graph, begin, at + 1, [y], carried, pass.threads);
    const mean = channelMean(seen.map((found) => found[y]!));
    const codes = Array.from(bias.codes.data as Int32Array, (code, channel) => {
      const steps = Math.round((means.get(node.name)![channel]! - mean[channel]!) / bias.scale[channel]!);
      return Math.abs(code + steps) < BIAS_LIMIT ? code + steps : code;
    });
    initializers.set(bias.name, int32(bias.codes.dims, codes));
    // What is carried on is codes, a quarter of the numbers that they stand for.
    const end = at + 1 + (isQuantize(graph.nodes[at + 1]) && graph.nodes[at + 1]!.inputs[0] === y ? 1 : 0);
    carried = await runPart(graph, begin, end, readAfter(graph, end), carried, pass.threads);
    begin = end;
  }
  return { ...quantized, graph };
}

/** A bias as it is stored, per channel. */
function storedBias({ initializers }: Graph, dequantize: Node | undefined) {
  if (!isDequantize(dequantize)) return undefined;
  const [name, scale] = dequantize.inputs as [ValueName, ValueName];
  const codes = initializers.get(name);
  return codes?.type === "int32" ? { name, codes, scale: initializers.get(scale)!.data as Float32Array } : undefined;
}

/** Everything that nodes from a place on read from before it. */
function readAfter({ nodes, outputs }: Graph, place: number): ValueName[] {
  const read = new Set([...nodes.slice(place).flatMap(operands), ...outputs.map(({ name }) => name)]);
  return [...read];
}

/**
 * Runs a stretch of a graph on what was carried to it.
 * @param wanted values; such as come through unchanged are handed on, and constants left out
 */
async function runPart(
  graph: Graph,
  begin: number,
  end: number,
  wanted: readonly ValueName[],
  carried: readonly Record<ValueName, Tensor>[],
  threads: number,
): Promise<Record<ValueName, Tensor>[]> {
  const nodes = graph.nodes.slice(begin, end);
  const written = new Set(nodes.flatMap(({ outputs }) => outputs));
  const computed = wanted.filter((name) => written.has(name));
  const through = wanted.filter((name) => carried[0] && name in carried[0]);
  const kept = carried.map((values) => Object.fromEntries(through.map((name) => [name, values[name]!])));
  if (computed.length === 0) return kept;
  const part = prune({ ...graph, nodes, outputs: computed.map((name) => ({ name })) });
  const read = new Set(part.nodes.flatMap(operands));
  const fed = Object.keys(carried[0] ?? {}).filter((name) => read.has(name));
  const inputs = fed.map((name) => {
    const { type, dims } = carried[0]![name]!;
    return { name, type, shape: dims.map((_, axis) => `${name}_${axis}`) };
  });
  const session = await openSession(asModel({ ...part, inputs }), { threads });
  try {
    const results: Record<ValueName, Tensor>[] = [];
    for (const [batch, values] of carried.entries()) {
      const found = await session.run(Object.fromEntries(fed.map((name) => [name, values[name]!])));
      results.push({ ...kept[batch], ...found });
    }
    return results;
  } finally {
    await session.close();
  }
}

/** The mean of each channel of what float layers compute, before any activation. */
async function channelMeans(
  graph: Graph,
  layers: ReadonlySet<string>,
  probed: ReadonlyMap<ValueName, Probed>,
  pass: Pass,
): Promise<ReadonlyMap<string, Float64Array>> {
  const nodes = graph.nodes.filter(({ name }) => layers.has(name));
  const means = new Map<string, Float64Array>();
  let rows = 0;
  const values = nodes.map(({ outputs }) => outputs[0]!);
  await observe(graph, values, probed, pass, (found, batch) => {
    const count = batch.dims[0]!;
    for (const { name, outputs } of nodes) {
      const mean = channelMean([found[outputs[0]!]!]);
      const sum = means.get(name) ?? new Float64Array(mean.length);
      means.set(
        name,
        sum.map((value, channel) => value + mean[channel]! * count),
      );
    }
    rows += count;
  });
  return new Map([...means].map(([name, sum]) => [name, sum.map((value) => value / rows)]));
}

/** @param values [N, C, …] */
function channelMean(values: readonly Tensor[]): Float64Array {
  const channels = values[0]!.dims[1]!;
  const sums = new Float64Array(channels);
  let count = 0;
  for (const { dims, data } of values) {
    const inner = elementCount(dims.slice(2));
    (data as Float32Array).forEach((value, index) => {
      sums[Math.floor(index / inner) % channels]! += value;
    });
    count += data.length / channels;
  }
  return sums.map((sum) => sum / count);
}
