import type { GraphBuilder } from "../onnx/builder.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import type { Dim, ValueName } from "../onnx/graph.ts";
import { elementCount, int64 } from "../onnx/tensor.ts";
import { reducedAxes, reducedShape } from "../shapes/reduction.ts";
import { type GradientContext, type GradientRule, number, reshapeTo, sumOver, times } from "./rule.ts";

/** Every element was in the sum once. */
export const reduceSum: GradientRule = (context) => [
  () => {
    const { x, axes, dy } = reduction(context);
    return spreadOver(context, x, dy, axes);
  },
  null,
];

/** Each of n elements had 1/n of the mean. */
export const reduceMean: GradientRule = (context) => [
  () => {
    const { b } = context;
    const { x, axes, dy, sizes } = reduction(context);
    return spreadOver(context, x, dividedBySizes(b, dy, x, sizes), axes);
  },
  null,
];

/** 2x·dy */
export const reduceSumSquare: GradientRule = (context) => [
  () => {
    const { x, dy } = reduction(context);
    return context.b.add("Mul", [x, times(context.b, dy, 2)]);
  },
  null,
];

/** x·dy / ‖x‖; a norm of zero has no gradient, and gets none. */
export const reduceL2: GradientRule = (context) => [
  () => {
    const { b } = context;
    const { x, axes, dy } = reduction(context);
    const norm = b.add("ReduceL2", [x, b.constant("axes", int64(axes))], { keepdims: 1 });
    // Where the norm is zero x is as well, whatever the quotient.
    const divisor = b.add("Max", [norm, number(b, 1e-30)]);
    return b.add("Mul", [x, b.add("Div", [dy, divisor])]);
  },
  null,
];

/** ReduceMax and ReduceMin; elements that are equally far out share the gradient, as those of PyTorch's amax do. */
export const reduceExtreme: GradientRule = (context) => [
  () => {
    const { b, node } = context;
    const { x, axes, dy } = reduction(context);
    const y = b.add(node.opType, [x, b.constant("axes", int64(axes))], { keepdims: 1 });
    const reached = b.add("Cast", [b.add("Equal", [x, y])], { to: ELEMENT_CODES.float32 });
    return b.add("Mul", [reached, b.add("Div", [dy, sumOver(b, reached, axes, 1)])]);
  },
  null,
];

interface Reduction {
  x: ValueName;
  axes: readonly number[];
  /** The sizes that were reduced. */
  sizes: readonly Dim[];
  /** The gradient with the reduced axes kept, of size one. */
  dy: ValueName;
}

function reduction({ b, node, dy, type }: GradientContext): Reduction {
  const x = node.inputs[0]!;
  const inputs = node.inputs.map((name) => (name === "" ? undefined : type(name)));
  const axes = reducedAxes({ node, inputs });
  const { shape } = type(x);
  const kept = reducedShape(shape, axes, true);
  const keeps = node.attributes.keepdims?.value !== 0 || axes.length === 0;
  return { x, axes, sizes: axes.map((axis) => shape[axis]!), dy: keeps ? dy : reshapeTo(b, dy, kept) };
}

/** The gradient once for each element that was reduced. A batch that was reduced is known only when the graph runs. */
function spreadOver({ b, type }: GradientContext, x: ValueName, dy: ValueName, axes: readonly number[]): ValueName {
  const { shape } = type(x);
  const open = axes.some((axis) => typeof shape[axis] !== "number");
  // A 1 in the target leaves a batch that was not reduced as it is.
  const fixed = () => b.constant("shape", int64(shape.map((dim) => (typeof dim === "number" ? dim : 1))));
  return b.add("Expand", [dy, open ? b.add("Shape", [x]) : fixed()]);
}

function dividedBySizes(b: GraphBuilder, dy: ValueName, x: ValueName, sizes: readonly Dim[]): ValueName {
  if (sizes.every((size) => typeof size === "number")) return times(b, dy, 1 / elementCount(sizes as number[]));
  const count = (value: ValueName) => b.add("Cast", [b.add("Size", [value])], { to: ELEMENT_CODES.float32 });
  return b.add("Mul", [dy, b.add("Div", [count(dy), count(x)])]);
}
