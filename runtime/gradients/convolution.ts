import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { channelsFirst, channelsLast } from "../onnx/layout.ts";
import { int64, scalar } from "../onnx/tensor.ts";
import { type Spatial, spatial } from "../shapes/spatial.ts";
import { type GradientContext, type GradientRule, reshapeTo, sumOver } from "./rule.ts";

/** Y = Conv(X, W, B). X: [N, I, …in], W: [O, I/g, …k], B: [O], dY: [N, O, …out]. @see ONNX Conv-11 */
export const convolution: GradientRule = (context) => [
  () => inputGradient(context),
  () => weightGradient(context),
  () => biasGradient(context),
];

interface Geometry extends Spatial {
  inChannels: number;
  outChannels: number;
  groups: number;
}

function geometry({ node, type }: GradientContext): Geometry {
  const x = type(node.inputs[0]!).shape;
  const w = type(node.inputs[1]!).shape;
  const groups = attribute(node, "group", "int", 1);
  return { ...spatial(node, x, w), inChannels: (w[1] as number) * groups, outChannels: w[0] as number, groups };
}

const biasGradient = ({ b, dy, node, type }: GradientContext): ValueName =>
  sumOver(
    b,
    dy,
    [0, ...type(node.inputs[0]!).shape.keys()].filter((axis, at) => at === 0 || axis >= 2),
    0,
  );

/**
 * dX = Conv(dY with stride−1 zeros between its elements, W flipped and with in- and output channels exchanged).
 * Not ConvTranspose: with frozen weights the flipped kernel is a constant that ONNX Runtime packs ahead of time.
 */
function inputGradient(context: GradientContext): ValueName {
  const { b, node, dy } = context;
  const g = geometry(context);
  if (isPointwise(g)) return pointwiseInputGradient(context, g);
  const kernel = flippedKernel(b, node.inputs[1]!, g);
  const spread = g.strides.some((stride) => stride > 1) ? spreadByStride(b, dy, g) : dy;

  const reach = g.kernel.map((k, axis) => g.dilations[axis]! * (k - 1));
  const begins = reach.map((r, axis) => r - g.begins[axis]!);
  const ends = reach.map((r, axis) => {
    // Input rows that no stride reached still need a (zero) gradient; spreadByStride left stride−1 zeros behind the last row.
    const unreached = (g.input[axis]! + g.begins[axis]! + g.ends[axis]! - r - 1) % g.strides[axis]!;
    return r - g.ends[axis]! + unreached - (g.strides[axis]! - 1);
  });
  const cropped = crop(b, spread, begins, ends);
  return b.add("Conv", [cropped, kernel], {
    group: g.groups,
    dilations: g.dilations,
    pads: [...begins, ...ends].map((pad) => Math.max(pad, 0)),
  });
}

const isPointwise = (g: Geometry): boolean =>
  g.groups === 1 &&
  [...g.kernel, ...g.strides].every((size) => size === 1) &&
  [...g.begins, ...g.ends].every((pad) => pad === 0);

/** One matrix product with all places of the batch as rows; the transpositions between two of them cancel out. @see keepChannelsLast */
function pointwiseInputGradient({ b, node, dy }: GradientContext, g: Geometry): ValueName {
  const rank = g.kernel.length + 2;
  const rows = b.add("Transpose", [dy], { perm: channelsLast(rank) });
  const weight = reshapeTo(b, node.inputs[1]!, [g.outChannels, g.inChannels]);
  return b.add("Transpose", [b.add("MatMul", [rows, weight])], { perm: channelsFirst(rank) });
}

/** [O, I/g, …k] → [I, O/g, …k], each kernel reversed. */
function flippedKernel(b: GraphBuilder, w: ValueName, g: Geometry): ValueName {
  const { groups, kernel, outChannels, inChannels } = g;
  const axes = kernel.map((_, axis) => axis + 3);
  const grouped = reshapeTo(b, w, [groups, outChannels / groups, inChannels / groups, ...kernel]);
  const exchanged = b.add("Transpose", [grouped], { perm: [0, 2, 1, ...axes] });
  const merged = reshapeTo(b, exchanged, [inChannels, outChannels / groups, ...kernel]);
  const flipped = kernel.flatMap((size, axis) => (size > 1 ? [axis + 2] : []));
  if (flipped.length === 0) return merged;
  return b.add("Slice", [
    merged,
    b.constant("starts", int64(flipped.map(() => -1))),
    b.constant("ends", int64(flipped.map(() => Number.MIN_SAFE_INTEGER))),
    b.constant("axes", int64(flipped)),
    b.constant("steps", int64(flipped.map(() => -1))),
  ]);
}

/**
 * [N, O, …out] → [N, O, …out·stride]: after each element stride−1 zeros. With channels last a zero element is a row of zeros, so
 * that padding moves whole rows; interleaving single numbers takes ONNX Runtime several times as long in any way.
 */
export function spreadByStride(b: GraphBuilder, dy: ValueName, g: Pick<Spatial, "strides" | "output">): ValueName {
  const rank = g.strides.length + 2;
  const last = b.add("Transpose", [dy], { perm: channelsLast(rank) });
  // [N, H, 1, W, 1, C] → [N, H, stride, W, stride, C] → [N, H·stride, W·stride, C]
  const behind = g.strides.map((_, axis) => 2 + 2 * axis);
  const single = b.add("Unsqueeze", [last, b.constant("axes", int64(behind))]);
  const ends = g.strides.flatMap((stride) => [0, stride - 1]);
  const pads = b.constant("pads", int64([...Array(2 * g.strides.length + 2).fill(0), 0, ...ends, 0]));
  const sizes = g.output.map((size, axis) => size * g.strides[axis]!);
  const spread = b.add("Reshape", [b.add("Pad", [single, pads]), b.constant("shape", int64([0, ...sizes, -1]))]);
  return b.add("Transpose", [spread], { perm: channelsFirst(rank) });
}

/** Where padding would be negative (the forward pass padded more than its kernel reaches), elements are cut off instead. */
function crop(b: GraphBuilder, value: ValueName, begins: readonly number[], ends: readonly number[]): ValueName {
  const axes = [...begins.keys()].filter((axis) => begins[axis]! < 0 || ends[axis]! < 0);
  if (axes.length === 0) return value;
  return b.add("Slice", [
    value,
    b.constant("starts", int64(axes.map((axis) => Math.max(-begins[axis]!, 0)))),
    b.constant("ends", int64(axes.map((axis) => (ends[axis]! < 0 ? ends[axis]! : Number.MAX_SAFE_INTEGER)))),
    b.constant("axes", int64(axes.map((axis) => axis + 2))),
  ]);
}

function weightGradient(context: GradientContext): ValueName {
  const { b, node, dy } = context;
  const g = geometry(context);
  const x = node.inputs[0]!;
  if (isPointwise(g)) return pointwiseWeightGradient(b, x, dy, g);
  if (g.groups === 1) return denseWeightGradient(b, x, dy, g);
  if (g.groups === g.inChannels) return depthwiseWeightGradient(b, x, dy, g);
  const xs = b.addMany("Split", [x], g.groups, { axis: 1, num_outputs: g.groups });
  const dys = b.addMany("Split", [dy], g.groups, { axis: 1, num_outputs: g.groups });
  const parts = xs.map((part, group) => denseWeightGradient(b, part, dys[group]!, g));
  return b.add("Concat", parts, { axis: 0 });
}

/** One matrix product that sums over all places of the batch; dY has its channels last already where the input's gradient has. dW: [O, I, 1 …] */
function pointwiseWeightGradient(b: GraphBuilder, x: ValueName, dy: ValueName, g: Geometry): ValueName {
  const rows = (value: ValueName, channels: number) =>
    reshapeTo(b, b.add("Transpose", [value], { perm: channelsLast(g.kernel.length + 2) }), ["rows", channels]);
  const product = b.add("Gemm", [rows(dy, g.outChannels), rows(x, g.inChannels)], { transA: 1 });
  return reshapeTo(b, product, [g.outChannels, g.inChannels, ...g.kernel]);
}

/** dW correlates X with dY: batch and channels change places, stride and dilation too. dW: [O, I/g, …k] */
function denseWeightGradient(b: GraphBuilder, x: ValueName, dy: ValueName, g: Geometry): ValueName {
  const exchange = { perm: [1, 0, ...g.kernel.map((_, axis) => axis + 2)] };
  const correlated = b.add("Conv", [b.add("Transpose", [x], exchange), b.add("Transpose", [dy], exchange)], {
    strides: g.dilations,
    dilations: g.strides,
    pads: [...g.begins, ...g.ends],
  });
  // A stride that leaves input rows over makes the correlation a little longer than the kernel.
  const axes = g.kernel.map((_, axis) => axis + 2);
  const trimmed = b.add("Slice", [
    correlated,
    b.constant("starts", int64(axes.map(() => 0))),
    b.constant("ends", int64(g.kernel)),
    b.constant("axes", int64(axes)),
  ]);
  return b.add("Transpose", [trimmed], exchange);
}

/** One shifted multiply-and-reduce for each place in the kernel: far cheaper than a grouped Conv. dW: [I·m, 1, …k] */
function depthwiseWeightGradient(b: GraphBuilder, x: ValueName, dy: ValueName, g: Geometry): ValueName {
  const multiplier = g.outChannels / g.inChannels;
  const spatialAxes = g.kernel.map((_, axis) => axis + 2);
  const padded =
    g.begins.some(Boolean) || g.ends.some(Boolean)
      ? b.add("Pad", [
          x,
          b.constant("pads", int64([0, 0, ...g.begins, 0, 0, ...g.ends])),
          b.constant("zero", scalar("float32", 0)),
        ])
      : x;
  // dY: [N, I, m, …out]; X: [N, I, 1, …out]
  const perInput = b.add("Reshape", [dy, b.constant("shape", int64([0, g.inChannels, multiplier, ...g.output]))]);
  const taps = places(g.kernel).map((place) => {
    const starts = place.map((offset, axis) => offset * g.dilations[axis]!);
    const ends = starts.map((start, axis) => start + (g.output[axis]! - 1) * g.strides[axis]! + 1);
    const seen = b.add("Slice", [
      padded,
      b.constant("starts", int64(starts)),
      b.constant("ends", int64(ends)),
      b.constant("axes", int64(spatialAxes)),
      b.constant("steps", int64(g.strides)),
    ]);
    const product = b.add("Mul", [perInput, b.add("Unsqueeze", [seen, b.constant("axes", int64([2]))])]);
    const sum = sumOver(b, product, [0, ...spatialAxes.map((axis) => axis + 1)], 0);
    return reshapeTo(b, sum, [g.outChannels, 1]);
  });
  return reshapeTo(b, b.add("Concat", taps, { axis: 1 }), [g.outChannels, 1, ...g.kernel]);
}

/** All index tuples of a kernel in row-major order. */
const places = (sizes: readonly number[]): number[][] =>
  sizes.reduce<number[][]>(
    (found, size) => found.flatMap((place) => Array.from({ length: size }, (_, k) => [...place, k])),
    [[]],
  );
