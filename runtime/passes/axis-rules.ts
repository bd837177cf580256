import { attribute } from "../onnx/attributes.ts";
import type { Attribute, Dim, Node, ValueName } from "../onnx/graph.ts";
import { int64 } from "../onnx/tensor.ts";
import type { AxisOrders } from "./axis-orders.ts";

/** A node on operands with their axes in another order, and the order of what it then writes. */
export interface Moved {
  inputs: readonly ValueName[];
  attributes?: Node["attributes"];
  /** As of `Reordered`, for every output. */
  perm: readonly number[];
}

/**
 * How an operator works behind a transposition as well as before it.
 * @param perm of the operand that leads: axis i of the operand is axis perm[i] of what is there
 * @returns null where it does not
 */
export type AxisRule = (node: Node, perm: readonly number[], orders: AxisOrders) => Moved | null;

/** Each element by itself. */
const each: AxisRule = (node, perm, orders) => {
  const x = orders.inOrder(node.inputs[0]!, perm);
  return x === null ? null : { inputs: [x, ...node.inputs.slice(1)], perm };
};

const quantizer: AxisRule = (node, perm, orders) => {
  if (node.attributes.block_size) return null;
  if ((orders.constant(node.inputs[1]!)?.data.length ?? 0) === 1) return each(node, perm, orders);
  return along(1)(node, perm, orders);
};

/** All operands element by element, those of lower rank and of size one spread out. */
const broadcast: AxisRule = (node, perm, orders) => {
  if (orders.shape(node.outputs[0]!).length !== perm.length) return null;
  const inputs = node.inputs.map((value) => (value === "" ? "" : orders.inOrder(value, perm)));
  return inputs.includes(null) ? null : { inputs: inputs as ValueName[], perm };
};

/** What works along the axis of an attribute, on its first operand. */
const along =
  (fallback: number): AxisRule =>
  (node, perm, orders) => {
    const moved = each(node, perm, orders);
    return moved && { ...moved, attributes: { ...node.attributes, axis: axisAt(node, perm, fallback) } };
  };

const concat: AxisRule = (node, perm, orders) => {
  const moved = broadcast(node, perm, orders);
  const whole = node.inputs.every((value) => orders.shape(value).length === perm.length);
  // A value of ones broadcasts as it is; beside others it has to stand in their order.
  return moved && whole ? { ...moved, attributes: { axis: axisAt(node, perm, 0) } } : null;
};

const gather: AxisRule = (node, perm, orders) =>
  orders.shape(node.inputs[1]!).length === 1 && orders.constant(node.inputs[1]!) ? along(0)(node, perm, orders) : null;

/** Steps, begins and ends stay; the axes that they are meant for move. @see ONNX Slice-13 */
const slice: AxisRule = (node, perm, orders) => {
  const moved = each(node, perm, orders);
  const [, begins, ends, axes = "", steps] = node.inputs;
  const count = orders.constant(begins!)?.data.length;
  if (!moved || count === undefined) return null;
  const given = numbers(orders, axes) ?? (axes === "" ? [...Array(count).keys()] : undefined);
  if (!given) return null;
  const at = orders.b.constant(
    `${node.name}_axes`,
    int64(given.map((axis) => perm[axis < 0 ? axis + perm.length : axis]!)),
  );
  return { ...moved, inputs: [moved.inputs[0]!, begins!, ends!, at, ...(steps ? [steps] : [])] };
};

/** @see ONNX Pad-21 */
const pad: AxisRule = (node, perm, orders) => {
  const moved = each(node, perm, orders);
  const [, given, value = "", axesName = ""] = node.inputs;
  const [sizes, axes] = [numbers(orders, given!), axesName === "" ? [...perm.keys()] : numbers(orders, axesName)];
  if (!moved || !sizes || !axes) return null;
  const pads = Array<number>(perm.length * 2).fill(0);
  for (const [at, axis] of axes.entries()) {
    const to = perm[axis < 0 ? axis + perm.length : axis]!;
    pads[to] = sizes[at]!;
    pads[to + perm.length] = sizes[at + axes.length]!;
  }
  return {
    ...moved,
    inputs: [moved.inputs[0]!, orders.b.constant(`${node.name}_pads`, int64(pads)), value].slice(0, value ? 3 : 2),
  };
};

/** @see ONNX ReduceMean-18 */
const reduce: AxisRule = (node, perm, orders) => {
  const moved = each(node, perm, orders);
  const [, axesName = ""] = node.inputs;
  const given = axesName === "" ? [] : numbers(orders, axesName);
  if (!moved || !given) return null;
  const rank = perm.length;
  const isNothing = given.length === 0 && attribute(node, "noop_with_empty_axes", "int", 0) !== 0;
  const axes =
    given.length > 0 ? given.map((axis) => (axis < 0 ? axis + rank : axis)) : isNothing ? [] : [...perm.keys()];
  const keeps = attribute(node, "keepdims", "int", 1) !== 0;
  const sorted = axes.map((axis) => perm[axis]!).sort((a, b) => a - b);
  const inputs =
    given.length > 0 ? [moved.inputs[0]!, orders.b.constant(`${node.name}_axes`, int64(sorted))] : [moved.inputs[0]!];
  return { inputs, perm: keeps ? perm : without(perm, axes) };
};

/** The order of the axes that are left. */
function without(perm: readonly number[], axes: readonly number[]): number[] {
  const left = perm.filter((_, axis) => !axes.includes(axis));
  const sorted = [...left].sort((a, b) => a - b);
  return left.map((axis) => sorted.indexOf(axis));
}

const axisAt = (node: Node, perm: readonly number[], fallback: number): Attribute => {
  const axis = attribute(node, "axis", "int", fallback);
  return { kind: "int", value: perm[axis < 0 ? axis + perm.length : axis]! };
};

const numbers = (orders: AxisOrders, value: ValueName): number[] | undefined => {
  const constant = orders.constant(value);
  return constant && Array.from<number | bigint, number>(constant.data, Number);
};

export const AXIS_RULES: Readonly<Record<string, AxisRule>> = {
  Abs: each,
  Cast: each,
  Ceil: each,
  Clip: each,
  Dropout: each,
  Elu: each,
  Erf: each,
  Exp: each,
  Floor: each,
  Gelu: each,
  HardSigmoid: each,
  HardSwish: each,
  Identity: each,
  LeakyRelu: each,
  Log: each,
  Neg: each,
  Not: each,
  Reciprocal: each,
  Relu: each,
  Round: each,
  Sigmoid: each,
  Sign: each,
  Sqrt: each,
  Tanh: each,

  Add: broadcast,
  And: broadcast,
  Div: broadcast,
  Equal: broadcast,
  Greater: broadcast,
  GreaterOrEqual: broadcast,
  Less: broadcast,
  LessOrEqual: broadcast,
  Max: broadcast,
  Mean: broadcast,
  Min: broadcast,
  Mod: broadcast,
  Mul: broadcast,
  Or: broadcast,
  PRelu: broadcast,
  Pow: broadcast,
  Sub: broadcast,
  Sum: broadcast,
  Where: broadcast,

  DequantizeLinear: quantizer,
  QuantizeLinear: quantizer,

  Concat: concat,
  Gather: gather,
  LogSoftmax: along(-1),
  Pad: pad,
  Slice: slice,
  Softmax: along(-1),
  Split: along(0),

  ReduceL2: reduce,
  ReduceMax: reduce,
  ReduceMean: reduce,
  ReduceMin: reduce,
  ReduceProd: reduce,
  ReduceSum: reduce,
  ReduceSumSquare: reduce,
};

/** Sizes but ones, in order: what a Reshape that only adds or takes away axes of one leaves alone. */
export const longSizes = (shape: readonly Dim[]): readonly Dim[] => shape.filter((dim) => dim !== 1);
