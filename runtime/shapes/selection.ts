import { attribute } from "../onnx/attributes.ts";
import { axisOf, knownDims, operand, type ShapeRule } from "./rule.ts";

const ofData: ShapeRule = (context) => operand(context, 0);

export const SELECTION = {
  GatherElements: (context) => ({ type: operand(context, 0).type, shape: operand(context, 1).shape }),
  ScatterElements: ofData,
  ScatterND: ofData,

  /** The values, and where they stood. */
  TopK: (context) => {
    const { type, shape } = operand(context, 0);
    const axis = axisOf(attribute(context.node, "axis", "int", -1), shape.length, context.node);
    const chosen = shape.with(axis, knownDims(context, 1)![0]!);
    return [
      { type, shape: chosen },
      { type: "int64", shape: chosen },
    ];
  },
} satisfies Record<string, ShapeRule>;
