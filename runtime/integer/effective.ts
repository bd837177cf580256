import type { GraphBuilder } from "../onnx/builder.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import type { Graph, ValueName } from "../onnx/graph.ts";
import { type ElementType, float32, int64, type Tensor } from "../onnx/tensor.ts";
import type { Layer, Operand, OperandKind } from "./layers.ts";
import { constantOf, type Quantized, quantizedOperand } from "./quantized.ts";

/** How parameters change a layer, in real numbers; what is absent stays as the base has it. */
export interface LayerChange {
  /** Added to the weight; of its shape. */
  weight?: ValueName | undefined;
  /** Factor of each output channel of the weight, [O], above zero. */
  scale?: ValueName | undefined;
  /** Added to the bias; of its shape. */
  bias?: ValueName | undefined;
}

/** An operand as it is served: integers with their scale, or a real number. */
export type Effective = { tag: "quantized"; operand: Quantized } | { tag: "real"; value: ValueName };

/** Beyond this an int32 sum could overflow; float32 holds the bound exactly. */
const LARGEST_BIAS = 2 ** 30;

/**
 * The operands that a change leads to, computed in the graph: the very numbers that are folded into the deployed model.
 * A change of nothing gives the base's own integers, to the last bit, however large they are.
 */
export function effectiveOperands(
  b: GraphBuilder,
  graph: Graph,
  layer: Layer,
  change: LayerChange,
): Partial<Record<OperandKind, Effective>> {
  const weight = layer.weight && (change.weight || change.scale) ? effectiveWeight(b, graph, layer, change) : null;
  const rescaled = weight?.tag === "quantized" ? weight.operand.scale : null;
  const bias = layer.bias && (change.bias || rescaled) ? effectiveBias(b, layer, change.bias, rescaled) : null;
  return { ...(weight && { weight }), ...(bias && { bias }) };
}

function effectiveWeight(b: GraphBuilder, graph: Graph, layer: Layer, change: LayerChange): Effective {
  const operand = layer.weight!;
  const real = layer.node.inputs[operand.at]!;
  const moved = change.weight ? b.add("Add", [real, change.weight]) : real;
  if (!operand.dequantize) {
    return { tag: "real", value: change.scale ? b.add("Mul", [moved, perChannel(b, change.scale, layer)]) : moved };
  }
  const base = quantizedOperand(operand.dequantize);
  const requantized = change.weight ? requantize(b, graph, layer, base, moved) : base;
  const scale = change.scale ? b.add("Mul", [requantized.scale, change.scale]) : requantized.scale;
  return { tag: "quantized", operand: { ...requantized, scale } };
}

/**
 * The weight in integers: at the base's scale as long as a channel fits in it, so that nothing changed is exactly the base; at a
 * wider one when it has outgrown that. An asymmetric weight keeps its scale and is clipped.
 */
function requantize(b: GraphBuilder, graph: Graph, layer: Layer, base: Quantized, weight: ValueName): Quantized {
  const stored = constantOf(graph, base.quantized);
  const { low, high } = rangeOf(stored);
  const byChannel = (value: ValueName) => perChannel(b, value, layer);
  const round = (scale: ValueName) => b.add("Round", [b.add("Div", [weight, byChannel(scale)])]);
  const clipped = (steps: ValueName) =>
    b.add("Cast", [b.add("Clip", [steps, number(b, low), number(b, high)])], {
      to: ELEMENT_CODES[stored.type],
    });
  if (stored.type !== "int8") {
    const zeroPoint = b.add("Cast", [base.zeroPoint], { to: ELEMENT_CODES.float32 });
    return { ...base, quantized: clipped(b.add("Add", [round(base.scale), byChannel(zeroPoint)])) };
  }
  const reach = reachOf(b, layer, weight, { low, high });
  const fits = b.add("LessOrEqual", [reach, b.add("Mul", [base.scale, number(b, high + 0.5)])]);
  const scale = b.add("Where", [fits, base.scale, b.add("Div", [reach, number(b, high)])]);
  return { ...base, quantized: clipped(round(scale)), scale };
}

/** How far the weights of each channel reach, [O], counted in the steps of the upper end where the lower has one more. */
function reachOf(b: GraphBuilder, { weight, weightAxis }: Layer, value: ValueName, { low, high }: Bounds): ValueName {
  const inner = weight!.dims.map((_, axis) => axis).filter((axis) => axis !== weightAxis);
  const largest = (of: ValueName) => b.add("ReduceMax", [of, b.constant("axes", int64(inner))], { keepdims: 0 });
  if (low === -high) return largest(b.add("Abs", [value]));
  const below = b.add("Mul", [largest(b.add("Neg", [value])), number(b, (high + 0.5) / (0.5 - low))]);
  return b.add("Max", [largest(value), below]);
}

interface Bounds {
  low: number;
  high: number;
}

/** Weights are many, and `adaptive` derives a step for each plan that it weighs. */
const knownRanges = new WeakMap<Tensor, Bounds>();

function rangeOf(stored: Tensor): Bounds {
  const known = knownRanges.get(stored) ?? quantizedRange(stored);
  knownRanges.set(stored, known);
  return known;
}

/** A base of reduced range (7 bits) stays in it: some kernels would saturate beyond. One that uses −128 keeps it. */
function quantizedRange({ type, data }: Tensor): Bounds {
  if (type !== "int8") return RANGES[type as "uint8"] ?? RANGES.uint8;
  const values = data as Int8Array;
  if (values.every((value) => Math.abs(value) <= 64)) return { low: -64, high: 64 };
  return { low: values.includes(-128) ? -128 : -127, high: 127 };
}

const RANGES = { uint8: { low: 0, high: 255 } } as const satisfies Partial<Record<ElementType, object>>;

/**
 * The bias moved by a delta, at the scale that belongs to the weight's. Steps are added to the base's own integer, so that rounding
 * never touches it: q' = q + round(q·(s/s' − 1) + δ/s').
 */
function effectiveBias(
  b: GraphBuilder,
  layer: Layer,
  delta: ValueName | undefined,
  weightScale: ValueName | null,
): Effective {
  const operand = layer.bias!;
  const real = layer.node.inputs[operand.at]!;
  if (!operand.dequantize) return { tag: "real", value: delta ? b.add("Add", [real, delta]) : real };
  // A quantized constant that no integer kernel adds has a grid of its own: it becomes a real number.
  if (!layer.integer) return { tag: "real", value: delta ? b.add("Add", [real, delta]) : real };
  const base = quantizedOperand(operand.dequantize);
  const scale = weightScale ? b.add("Mul", [quantizedOperand(layer.input!).scale, weightScale]) : base.scale;
  const parts = [
    ...(weightScale ? [b.add("Mul", [castToFloat(b, base.quantized), growth(b, base.scale, scale)])] : []),
    ...(delta ? [b.add("Div", [delta, scale])] : []),
  ];
  const steps = b.add("Round", [parts.reduce((sum, part) => b.add("Add", [sum, part]))]);
  const bounded = b.add("Clip", [steps, number(b, -LARGEST_BIAS), number(b, LARGEST_BIAS)]);
  const shift = b.add("Cast", [bounded], { to: ELEMENT_CODES.int32 });
  return { tag: "quantized", operand: { ...base, quantized: b.add("Add", [base.quantized, shift]), scale } };
}

/** s/s' − 1 */
const growth = (b: GraphBuilder, before: ValueName, after: ValueName): ValueName =>
  b.add("Sub", [b.add("Div", [before, after]), number(b, 1)]);

const castToFloat = (b: GraphBuilder, value: ValueName): ValueName =>
  b.add("Cast", [value], { to: ELEMENT_CODES.float32 });

const number = (b: GraphBuilder, value: number): ValueName => b.constant("number", float32([], [value]));

/** [O] → broadcasts over the layer's weight. */
export function perChannel(b: GraphBuilder, value: ValueName, { weight, weightAxis }: Layer): ValueName {
  const dims = (weight as Operand).dims;
  if (dims.length === 1) return value;
  return b.add("Reshape", [value, b.constant("shape", int64(dims.map((_, axis) => (axis === weightAxis ? -1 : 1))))]);
}
