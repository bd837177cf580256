import type { GraphBuilder } from "../onnx/builder.ts";
import type { Node, ValueName } from "../onnx/graph.ts";
import { int64, scalar } from "../onnx/tensor.ts";
import type { ShapeContext, ValueType } from "../shapes/rule.ts";

export interface GradientContext {
  /** Where the backward nodes go. */
  b: GraphBuilder;
  /** The forward node. Its operands' values may be read; its output's may not, since int8 execution never makes it. */
  node: Node;
  /** Gradient of the loss with respect to the node's first output, the only one that most operators have; of the output's shape. */
  readonly dy: ValueName;
  /** The same for each output of an operator with several; `undefined` for one that the loss does not depend on. */
  dys: readonly (ValueName | undefined)[];
  /** Of a value's elements, those of operands that are constants or follow from shapes are `known`. */
  type(name: ValueName): ValueType;
}

/**
 * Gradients with respect to each operand, made only when called, so that a frozen operand costs nothing.
 * `null` stands for an operand that has no gradient by definition (a shape, a scale).
 */
export type GradientRule = (context: GradientContext) => readonly ((() => ValueName) | null)[];

/** The node's operands as a shape rule sees them, so that both read its axes and pads in one place. */
export const shapeContext = ({ node, type }: GradientContext): ShapeContext => ({
  node,
  inputs: node.inputs.map((name) => (name === "" ? undefined : type(name))),
});

/** Shape as a Reshape target: the batch, the one size that may vary, is left to be inferred. */
export const reshapeTo = (b: GraphBuilder, value: ValueName, shape: ValueType["shape"]): ValueName =>
  b.add("Reshape", [value, b.constant("shape", int64(shape.map((dim) => (typeof dim === "number" ? dim : -1))))]);

export const sumOver = (b: GraphBuilder, value: ValueName, axes: readonly number[], keepdims: 0 | 1): ValueName =>
  b.add("ReduceSum", [value, b.constant("axes", int64(axes))], { keepdims });

/** Undoes broadcasting: sums a gradient of shape `from` down to the operand's shape. */
export function sumTo(b: GraphBuilder, value: ValueName, from: ValueType["shape"], to: ValueType["shape"]): ValueName {
  const lead = from.length - to.length;
  const axes = from.flatMap((dim, axis) => (axis < lead || (to[axis - lead] === 1 && dim !== 1) ? [axis] : []));
  if (axes.length === 0) return value;
  const summed = sumOver(b, value, axes, 1);
  return lead > 0 ? reshapeTo(b, summed, to) : summed;
}

/** A number as an operand. */
export const number = (b: GraphBuilder, value: number): ValueName => b.constant("number", scalar("float32", value));

export const times = (b: GraphBuilder, value: ValueName, factor: number): ValueName =>
  factor === 1 ? value : b.add("Mul", [value, number(b, factor)]);

/** What several operands' gradients share: made when the first of them asks, and once. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
