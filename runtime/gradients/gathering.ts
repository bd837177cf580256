import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import type { Dim, ValueName } from "../onnx/graph.ts";
import { float32, int64 } from "../onnx/tensor.ts";
import { product } from "../shapes/dims.ts";
import { axisOf } from "../shapes/rule.ts";
import { padBy } from "./padding.ts";
import { inverse } from "./parts.ts";
import { type GradientContext, type GradientRule, reshapeTo } from "./rule.ts";

/**
 * Rows go back to where they came from; those that were read several times add up.
 * X: [..pre, D, ..post], indices: [..K], dY: [..pre, ..K, ..post]. @see ONNX Gather-13
 */
export const gather: GradientRule = (context) => [
  () => {
    const { b, node, dy, type } = context;
    const [x, indices] = [type(node.inputs[0]!), type(node.inputs[1]!)];
    const axis = axisOf(attribute(node, "axis", "int", 0), x.shape.length, node);
    const size = x.shape[axis]!;
    const rows = indices.known?.map((at) => (typeof at === "number" && at < 0 ? at + (size as number) : at) as number);
    const count = product(indices.shape) ?? "rows";
    const merged = indices.shape.length === 1 ? dy : reshapeTo(b, dy, x.shape.with(axis, count));

    if (typeof size === "number" && rows && new Set(rows).size === rows.length) {
      return placeRows(b, merged, axis, rows, size);
    }
    const column: Dim[] = x.shape.map((_, at) => (at === axis ? -1 : 1));
    const places = b.add("Expand", [reshapeTo(b, asInt64(context), column), b.add("Shape", [merged])]);
    return scatter(b, node.inputs[0]!, places, merged, axis);
  },
  null,
];

/** @see ONNX GatherElements-13 */
export const gatherElements: GradientRule = ({ b, node, dy, type }) => [
  () => {
    const [x, places] = [node.inputs[0]!, node.inputs[1]!];
    return scatter(b, x, places, dy, axisOf(attribute(node, "axis", "int", 0), type(x).shape.length, node));
  },
  null,
];

/** Distinct rows, all known: without adding, and without a scatter. A class token is one row. */
function placeRows(b: GraphBuilder, dy: ValueName, axis: number, rows: readonly number[], size: number): ValueName {
  const first = rows[0]!;
  if (rows.every((row, at) => row === first + at)) {
    return padBy(b, dy, [{ axis, begin: first, end: size - first - rows.length }]);
  }
  const withZeros = padBy(b, dy, [{ axis, begin: 0, end: 1 }]);
  return b.add("Gather", [withZeros, b.constant("rows", int64(inverse(rows, size)))], { axis });
}

/** Zeros in the shape of `x`, with each element of `dy` added at its place along an axis. */
export function scatter(b: GraphBuilder, x: ValueName, places: ValueName, dy: ValueName, axis: number): ValueName {
  const zeros = b.add("ConstantOfShape", [b.add("Shape", [x])], { value: float32([1], [0]) });
  return b.add("ScatterElements", [zeros, places, dy], { axis, reduction: "add" });
}

const asInt64 = ({ b, node, type }: GradientContext): ValueName => {
  const indices = node.inputs[1]!;
  return type(indices).type === "int64" ? indices : b.add("Cast", [indices], { to: ELEMENT_CODES.int64 });
};
