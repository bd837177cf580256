import { attribute } from "../onnx/attributes.ts";
import type { Dim, Node } from "../onnx/graph.ts";
import { divide, product } from "./dims.ts";
import { knownDims, noShape, operand, type ShapeRule } from "./rule.ts";

export const LAYOUT = {
  Flatten: (context) => {
    const { type, shape } = operand(context, 0);
    const axis = attribute(context.node, "axis", "int", 1);
    return { type, shape: [merged(shape.slice(0, axis), context.node), merged(shape.slice(axis), context.node)] };
  },

  Reshape: (context) => {
    const { type, shape } = operand(context, 0);
    return { type, shape: reshaped(shape, knownDims(context, 1) ?? [], context.node) };
  },

  Transpose: (context) => {
    const { type, shape } = operand(context, 0);
    const reversed = shape.map((_, axis) => shape.length - 1 - axis);
    return { type, shape: attribute(context.node, "perm", "ints", reversed).map((axis) => shape[axis]!) };
  },
} satisfies Record<string, ShapeRule>;

function merged(dims: readonly Dim[], node: Node): Dim {
  const size = product(dims);
  if (size === undefined) throw noShape(node, `[${dims}] in one`, "one batch");
  return size;
}

/** In a target, 0 keeps the size that stands there, and −1 takes what the others leave. @see ONNX Reshape-21 */
function reshaped(from: readonly Dim[], target: readonly Dim[], node: Node): Dim[] {
  const keeps = attribute(node, "allowzero", "int", 0) === 0;
  const shape = target.map((size, axis) => (size === 0 && keeps ? from[axis] : size) ?? 1);
  const open = shape.indexOf(-1);
  const rest = shape.filter((_, axis) => axis !== open);
  const left = divide(merged(from, node), merged(rest, node));
  if (left === undefined || (open < 0 && left !== 1)) {
    throw noShape(node, `[${from}] to [${target}]`, "as many elements, and a batch that stays open");
  }
  return open < 0 ? shape : shape.with(open, left);
}
