import { attribute } from "../onnx/attributes.ts";
import { type GradientRule, reshapeTo } from "./rule.ts";

/** Flatten, Reshape: the same numbers in the operand's shape. */
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
