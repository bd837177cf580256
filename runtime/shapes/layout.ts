import { attribute } from "../onnx/attributes.ts";
import type { Dim, Node } from "../onnx/graph.ts";
import { divide, product } from "./dims.ts";
import { axisOf, broadcastShapes, knownDims, knownNumbers, noShape, operand, type ShapeRule } from "./rule.ts";

export const LAYOUT = {
  /** The elements of each block of b·b channels become b·b places, and back. */
  DepthToSpace: (context) => {
    const { type, shape } = operand(context, 0);
    const block = attribute(context.node, "blocksize", "int");
    const [n, c, h, w] = shape as [Dim, number, number, number];
    return { type, shape: [n, c / block ** 2, h * block, w * block] };
  },

  Expand: (context) => {
    const { type, shape } = operand(context, 0);
    return { type, shape: broadcastShapes(shape, knownDims(context, 1) ?? [], context.node) };
  },

  Flatten: (context) => {
    const { type, shape } = operand(context, 0);
    const axis = attribute(context.node, "axis", "int", 1);
    return { type, shape: [merged(shape.slice(0, axis), context.node), merged(shape.slice(axis), context.node)] };
  },

  Reshape: (context) => {
    const { type, shape } = operand(context, 0);
    return { type, shape: reshaped(shape, knownDims(context, 1) ?? [], context.node) };
  },

  SpaceToDepth: (context) => {
    const { type, shape } = operand(context, 0);
    const block = attribute(context.node, "blocksize", "int");
    const [n, c, h, w] = shape as [Dim, number, number, number];
    return { type, shape: [n, c * block ** 2, h / block, w / block] };
  },

  Squeeze: (context) => {
    const { type, shape } = operand(context, 0);
    const axes = knownNumbers(context, 1)?.map((axis) => axisOf(axis, shape.length, context.node));
    return { type, shape: shape.filter((dim, axis) => !(axes ? axes.includes(axis) : dim === 1)) };
  },

  Tile: (context) => {
    const { type, shape } = operand(context, 0);
    const repeats = knownNumbers(context, 1) ?? [];
    return { type, shape: shape.map((dim, axis) => merged([dim, repeats[axis]!], context.node)) };
  },

  Transpose: (context) => {
    const { type, shape } = operand(context, 0);
    const reversed = shape.map((_, axis) => shape.length - 1 - axis);
    return { type, shape: attribute(context.node, "perm", "ints", reversed).map((axis) => shape[axis]!) };
  },

  Unsqueeze: (context) => {
    const { type, shape } = operand(context, 0);
    const added = knownNumbers(context, 1) ?? [];
    const rank = shape.length + added.length;
    const axes = added.map((axis) => axisOf(axis, rank, context.node));
    const left = [...shape];
    return { type, shape: Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : left.shift()!)) };
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
