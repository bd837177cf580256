import { linksOf } from "../normalize/qdq/links.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { elementCount, type Tensor } from "../onnx/tensor.ts";
import { observe, type Pass } from "./calibration/observe.ts";
import { growingConstants } from "./constants.ts";
import {
  channelRanges,
  inputChannels,
  inputCount,
  outputChannels,
  parametersOf,
  scaled,
  withParameters,
} from "./layers.ts";
import type { Probed } from "./probe.ts";
import { clipFromZero } from "./rules.ts";

/** Two layers with nothing between them but operators that let a factor of a channel through. */
export interface Pair {
  first: Node;
  second: Node;
  /** What the second layer reads. */
  value: ValueName;
  /** The upper end of a Clip from zero between them; infinite without one. */
  clip: number;
}

/**
 * Cross-layer equalization: channels of a layer's output that reach less far than others use few of the codes that all share. They
 * are scaled up, and the next layer's weights down by as much; the function stays the same. Weights have a scale per output channel
 * here, so that the first layer's are as precise at any size, and it is the channels' own ranges, as seen on samples, that are
 * brought together with the ranges of the weights that read them. Where a Clip stands between, no channel grows beyond what leaves
 * the samples unclipped. @see Nagel et al. 2019 (arXiv:1906.04721), §4.1
 */
export async function equalized(graph: Graph, probed: ReadonlyMap<ValueName, Probed>, pass: Pass): Promise<Graph> {
  const pairs = equalizablePairs(graph, probed);
  if (pairs.length === 0) return graph;
  const reaches = await channelReaches(graph, pairs, probed, pass);
  return pairs.reduce((current, pair) => equalizePair(current, pair, reaches.get(pair.value)!), graph);
}

/** Every pair of a graph. A layer may be the second of one and the first of another. */
export function equalizablePairs(graph: Graph, probed: ReadonlyMap<ValueName, Probed>): Pair[] {
  const links = linksOf(graph);
  const channelsOf = (value: ValueName) => probed.get(value)?.dims[1];
  return graph.nodes.flatMap((first): Pair[] => {
    const parameters = parametersOf(graph, first);
    if (!parameters || first.opType === "MatMul") return [];
    let value = first.outputs[0]!;
    let clip = Number.POSITIVE_INFINITY;
    for (;;) {
      const [user, ...others] = links.users(value);
      if (!user || others.length > 0 || links.isResult(value) || user.domain !== "") return [];
      const next = parametersOf(graph, user);
      if (next && user.opType !== "MatMul" && user.inputs[0] === value) {
        const fits = inputCount(next) === parameters.bias.length && channelsOf(value) === parameters.bias.length;
        return fits ? [{ first, second: user, value, clip }] : [];
      }
      const bound = clipFromZero(user, graph.initializers);
      if (bound === undefined && !letsThrough(user, channelsOf)) return [];
      clip = Math.min(clip, bound ?? clip);
      value = user.outputs[0]!;
    }
  });
}

/** Operators for which f(s·x) = s·f(x), channel by channel, for every s above zero. */
function letsThrough(node: Node, channelsOf: (value: ValueName) => number | undefined): boolean {
  if (!HOMOGENEOUS.has(node.opType) || node.outputs.filter(Boolean).length !== 1) return false;
  return channelsOf(node.inputs[0]!) === channelsOf(node.outputs[0]!);
}

const HOMOGENEOUS: ReadonlySet<string> = new Set([
  ...["LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"],
  // One number a channel stays one number a channel: see where channels are compared.
  ...["Flatten", "Reshape", "Squeeze"],
]);

/** How far each channel of what second layers read goes from zero. */
async function channelReaches(
  graph: Graph,
  pairs: readonly Pair[],
  probed: ReadonlyMap<ValueName, Probed>,
  pass: Pass,
): Promise<ReadonlyMap<ValueName, Float64Array>> {
  const reaches = new Map(pairs.map(({ value }) => [value, new Float64Array(probed.get(value)!.dims[1]!)]));
  await observe(graph, [...reaches.keys()], probed, pass, (found) => {
    for (const [value, reach] of reaches) widen(reach, found[value]!);
  });
  return reaches;
}

/** @param values [N, C, …] */
function widen(reach: Float64Array, { dims, data }: Tensor): void {
  const inner = elementCount(dims.slice(2));
  (data as Float32Array).forEach((value, index) => {
    const channel = Math.floor(index / inner) % reach.length;
    if (Math.abs(value) > reach[channel]!) reach[channel] = Math.abs(value);
  });
}

/** @param reach how far each channel between the two goes */
export function equalizePair(graph: Graph, { first, second, clip }: Pair, reach: Float64Array): Graph {
  const find = (name: string) => graph.nodes.find((node) => node.name === name)!;
  const [before, after] = [find(first.name), find(second.name)];
  const [a, b] = [parametersOf(graph, before)!, parametersOf(graph, after)!];
  const isDepthwise = b.groups === reach.length && b.weight.dims[1] === 1;
  // The weights of a depthwise layer have a scale for each channel too: nothing to be weighed against.
  const read = isDepthwise ? undefined : channelRanges(b, inputChannels(b), reach.length);
  const factors = channelFactors(reach, read, clip);

  const { initializers, constant } = growingConstants(graph);
  const smaller = {
    weight: scaled(
      a,
      outputChannels(a),
      factors.map((factor) => 1 / factor),
    ),
    bias: a.bias.map((value, channel) => value / factors[channel]!),
  };
  const larger = { ...b, weight: scaled(b, inputChannels(b), factors) };
  const replaced = new Map<Node, Node>([
    [before, withParameters(before, smaller, constant)],
    [after, withParameters(after, larger, constant)],
  ]);
  return { ...graph, nodes: graph.nodes.map((node) => replaced.get(node) ?? node), initializers };
}

/** No channel is scaled up by more: one that hardly spoke on the samples may speak up later. */
const LARGEST_FACTOR = 16;

/**
 * What the channels of the value between two layers are divided by, and the weights that read them multiplied by; at most 1.
 * @param reach of each channel
 * @param read how far the weights that read it go, where they share scales with those of other channels
 */
export function channelFactors(reach: Float64Array, read: Float64Array | undefined, clip: number): Float64Array {
  const widest = Math.max(...reach) || 1;
  const heaviest = read ? Math.max(...read) || 1 : 1;
  const ideal = reach.map((value, channel) => {
    const [share, weight] = [value / widest, read ? read[channel]! / heaviest : 1];
    // √(r₁/r₂), as far as it leaves the range of all where it is: eq. 11 of the paper, for ranges that are measured.
    return value === 0 || weight === 0 ? 1 : Math.sqrt(share / weight);
  });
  return ideal.map((factor, channel) => {
    const share = reach[channel]! / (Number.isFinite(clip) ? clip : widest);
    return Math.min(1, Math.max(factor, share, 1 / LARGEST_FACTOR));
  });
}
