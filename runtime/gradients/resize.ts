import { LichenError } from "../errors.ts";
import { attribute } from "../onnx/attributes.ts";
import type { ValueName } from "../onnx/graph.ts";
import { float32, int64 } from "../onnx/tensor.ts";
import { type Resized, resizedAxes } from "../shapes/resize.ts";
import { type GradientContext, type GradientRule, reshapeTo, shapeContext } from "./rule.ts";

/**
 * Resizing is linear and works on each axis alone, so that its gradient is the transposed matrix of each axis. The matrix is what the
 * kernel itself makes of an identity matrix: it knows best how it rounds. It depends on constants alone and is computed once.
 */
export const resize: GradientRule = (context) => [
  () => {
    const { b, node, dy, type } = context;
    const axes = resizedAxes(shapeContext(context));
    if (axes.every((axis) => repeats(context, axis))) return sumBlocks(context, axes);
    refuseOthers(context, axes);
    let shape = axes.reduce((dims, { axis, to }) => dims.with(axis, to), type(node.inputs[0]!).shape);
    return axes.reduce((gradient, resized) => {
      const { axis, from } = resized;
      // weights: [from, to]
      const weights = weightsOf(context, resized);
      const before = shape;
      shape = shape.with(axis, from);
      if (axis === shape.length - 1)
        return b.add("MatMul", [gradient, b.add("Transpose", [weights], { perm: [1, 0] })]);
      if (axis === shape.length - 2) return b.add("MatMul", [weights, gradient]);
      const rest = (shape.slice(axis + 1) as number[]).reduce((total, size) => total * size, 1);
      const product = b.add("MatMul", [weights, reshapeTo(b, gradient, [...before.slice(0, axis + 1), rest])]);
      return reshapeTo(b, product, shape);
    }, dy);
  },
  null,
  null,
  null,
];

/** A crop has operands that are computed; a matrix over a whole recording would not fit into memory. */
function refuseOthers({ node }: GradientContext, axes: readonly Resized[]): void {
  const refusal = { at: `${node.opType} ${node.name}` };
  const coordinates = attribute(node, "coordinate_transformation_mode", "string", "half_pixel");
  if (coordinates === "tf_crop_and_resize") throw new LichenError("NO_GRADIENT", { ...refusal, found: coordinates });
  const longest = Math.max(...axes.flatMap(({ from, to }) => [from, to]));
  if (longest <= LONGEST) return;
  throw new LichenError("NO_GRADIENT", { ...refusal, found: `${longest} elements`, wanted: `at most ${LONGEST}` });
}

const LONGEST = 4096;

/** Row i: how much element i has in each of the resized ones. */
function weightsOf({ b, node }: GradientContext, { from, to, scale }: Resized): ValueName {
  const identity = Array.from({ length: from * from }, (_, at) => (at % (from + 1) === 0 ? 1 : 0));
  const { axes: _, ...attributes } = node.attributes;
  const unit = b.constant("identity", float32([1, from, 1, from], identity));
  const told =
    scale === undefined
      ? ["", b.constant("sizes", int64([1, from, 1, to]))]
      : [b.constant("scales", float32([4], [1, 1, 1, scale]))];
  const name = b.fresh("weights");
  b.adopt({ ...node, name, inputs: [unit, "", ...told], outputs: [name], attributes });
  return reshapeTo(b, name, [from, to]);
}

/** Whether each element is repeated a whole number of times: the usual way of growing a feature map. */
function repeats({ node }: GradientContext, { from, to, scale }: Resized): boolean {
  if (attribute(node, "mode", "string", "nearest") !== "nearest") return false;
  const times = scale ?? to / from;
  const coordinates = attribute(node, "coordinate_transformation_mode", "string", "half_pixel");
  const rounding = attribute(node, "nearest_mode", "string", "round_prefer_floor");
  const blocks =
    (coordinates === "asymmetric" && rounding === "floor") ||
    (coordinates === "half_pixel" && rounding.startsWith("round"));
  return Number.isInteger(times) && times >= 1 && blocks;
}

/** dX: the sum over each block. [.., from·times, ..] → [.., from, times, ..] → [.., from, ..] */
function sumBlocks({ b, node, dy, type }: GradientContext, axes: readonly Resized[]): ValueName {
  const { shape } = type(node.inputs[0]!);
  const apart = shape.flatMap((dim, axis) => {
    const resized = axes.find((one) => one.axis === axis);
    return resized ? [dim, resized.to / resized.from] : [dim];
  });
  const blocks = axes.map(({ axis }) => axis + 1 + axes.filter((one) => one.axis < axis).length);
  return b.add("ReduceSum", [reshapeTo(b, dy, apart), b.constant("axes", int64(blocks))], { keepdims: 0 });
}
