import { attribute } from "../onnx/attributes.ts";
import type { Dim } from "../onnx/graph.ts";
import { axisOf, knownDims, knownNumbers, noShape, operand, type ShapeContext, type ShapeRule } from "./rule.ts";

/** An axis that a Resize changes, and what it is told about it: a factor, or the size that is wanted. */
export interface Resized {
  axis: number;
  from: number;
  to: number;
  scale: number | undefined;
}

export const RESIZE = {
  Resize: (context) => {
    const { type, shape } = operand(context, 0);
    return {
      type,
      shape: resizedAxes(context).reduce<readonly Dim[]>((dims, { axis, to }) => dims.with(axis, to), shape),
    };
  },
} satisfies Record<string, ShapeRule>;

/** @see ONNX Resize-19 */
export function resizedAxes(context: ShapeContext): Resized[] {
  const { node } = context;
  const { shape } = operand(context, 0);
  const policy = attribute(node, "keep_aspect_ratio_policy", "string", "stretch");
  if (policy !== "stretch") throw noShape(node, `keep_aspect_ratio_policy ${policy}`, "stretch");
  // An absent one may be given as an empty vector.
  const [scales, sizes] = [knownNumbers(context, 2) ?? [], knownDims(context, 3) ?? []];
  return attribute(node, "axes", "ints", [...shape.keys()]).flatMap((given, at) => {
    const axis = axisOf(given, shape.length, node);
    const from = shape[axis]!;
    if (scales[at] === 1 || sizes[at] === from) return [];
    const to = scales.length > 0 && typeof from === "number" ? Math.floor(Math.fround(scales[at]! * from)) : sizes[at];
    if (typeof from !== "number" || typeof to !== "number") {
      throw noShape(node, `${from} elements to ${to}`, "a batch that stays as it is");
    }
    return [{ axis, from, to, scale: scales[at] }];
  });
}
