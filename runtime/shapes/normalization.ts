import { attribute } from "../onnx/attributes.ts";
import { axisOf, operand, type ShapeRule } from "./rule.ts";

const same: ShapeRule = (context) => operand(context, 0);

export const NORMALIZATION = {
  BatchNormalization: same,
  InstanceNormalization: same,

  /** Y, and on demand the mean and the inverse deviation that it was normalised with. */
  LayerNormalization: (context) => {
    const { type, shape } = operand(context, 0);
    const first = axisOf(attribute(context.node, "axis", "int", -1), shape.length, context.node);
    const statistics = { type, shape: shape.map((dim, axis) => (axis < first ? dim : 1)) };
    return [{ type, shape }, statistics, statistics];
  },
} satisfies Record<string, ShapeRule>;
