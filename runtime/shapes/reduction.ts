import { attribute } from "../onnx/attributes.ts";
import type { Dim } from "../onnx/graph.ts";
import { axisOf, knownNumbers, operand, type ShapeContext, type ShapeRule } from "./rule.ts";

const reduce: ShapeRule = (context) => {
  const { type, shape } = operand(context, 0);
  const keeps = attribute(context.node, "keepdims", "int", 1) !== 0;
  return { type, shape: reducedShape(shape, reducedAxes(context), keeps) };
};

const argument: ShapeRule = (context) => {
  const { shape } = operand(context, 0);
  const axis = axisOf(attribute(context.node, "axis", "int", 0), shape.length, context.node);
  return { type: "int64", shape: reducedShape(shape, [axis], attribute(context.node, "keepdims", "int", 1) !== 0) };
};

export const REDUCTION = {
  ReduceMean: reduce,
  ReduceSum: reduce,
  ReduceSumSquare: reduce,
  ReduceL2: reduce,
  ReduceProd: reduce,
  ReduceMax: reduce,
  ReduceMin: reduce,
  ArgMax: argument,
  ArgMin: argument,
} satisfies Record<string, ShapeRule>;

/** From the front, in order; all of them where none are named. @see ONNX ReduceSum-13 */
export function reducedAxes(context: ShapeContext): number[] {
  const rank = operand(context, 0).shape.length;
  const named = knownNumbers(context, 1) ?? [];
  if (named.length > 0) return named.map((axis) => axisOf(axis, rank, context.node)).sort((a, b) => a - b);
  return attribute(context.node, "noop_with_empty_axes", "int", 0)
    ? []
    : Array.from({ length: rank }, (_, axis) => axis);
}

export const reducedShape = (shape: readonly Dim[], axes: readonly number[], keeps: boolean): Dim[] =>
  keeps ? shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)) : shape.filter((_, axis) => !axes.includes(axis));
