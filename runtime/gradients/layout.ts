import { attribute } from "../onnx/attributes.ts";
import type { Dim } from "../onnx/graph.ts";
import { type GradientRule, reshapeTo } from "./rule.ts";

/** Flatten, Reshape, Squeeze, Unsqueeze: the same numbers in the operand's shape. */
export const reshape: GradientRule = ({ b, node, dy, type }) => [
  () => reshapeTo(b, dy, type(node.inputs[0]!).shape),
  null,
];

export const transpose: GradientRule = ({ b, node, dy, type }) => [
  () => {
    const rank = type(node.inputs[0]!).shape.length;
    const perm = attribute(
      node,
      "perm",
      "ints",
      Array.from({ length: rank }, (_, axis) => rank - 1 - axis),
    );
    return b.add("Transpose", [dy], { perm: perm.map((_, axis) => perm.indexOf(axis)) });
  },
];

/** Each block of b·b places came from b·b channels. dY: [N, C, H·b, W·b] → dX: [N, C·b·b, H, W]. @see ONNX DepthToSpace-13 */
export const depthToSpace: GradientRule = ({ b, node, dy, type }) => [
  () => {
    const blocksize = attribute(node, "blocksize", "int");
    if (attribute(node, "mode", "string", "DCR") === "DCR") return b.add("SpaceToDepth", [dy], { blocksize });
    const { shape } = type(node.inputs[0]!);
    const [n, c, h, w] = shape as [Dim, number, number, number];
    const blocks = reshapeTo(b, dy, [n, c / blocksize ** 2, h, blocksize, w, blocksize]);
    return reshapeTo(b, b.add("Transpose", [blocks], { perm: [0, 1, 3, 5, 2, 4] }), shape);
  },
];

export const spaceToDepth: GradientRule = ({ b, node, dy }) => [
  () => b.add("DepthToSpace", [dy], { blocksize: attribute(node, "blocksize", "int") }),
];
