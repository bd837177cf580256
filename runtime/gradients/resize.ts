import { LichenError } from "../errors.ts";
import { attribute } from "../onnx/attributes.ts";
import type { Dim, ValueName } from "../onnx/graph.ts";
import { elementCount, float32, int64 } from "../onnx/tensor.ts";
import { type Resized, resizedAxes } from "../shapes/resize.ts";
import { type GradientContext, type GradientRule, reshapeTo, shapeContext, times } from "./rule.ts";

/**
 * Resizing is linear and works on each axis alone, so that its gradient is the transposed matrix of each axis. The matrix is what the
 * kernel itself makes of an identity matrix: it knows best how it rounds. It depends on constants alone and is computed once.
 */
export const resize: GradientRule = (context) => [
  () => {
    const { dy, node, type } = context;
    const axes = resizedAxes(shapeContext(context));
    if (axes.length === 0) return dy;
    if (axes.every((axis) => repeats(context, axis))) return sumBlocks(context, axes);
    refuseOthers(context, axes);
    const resized = axes.reduce((dims, { axis, to }) => dims.with(axis, to), type(node.inputs[0]!).shape);
    return axes.reduce((gradient, axis) => alongAxis(context, gradient, axis), { value: dy, shape: resized }).value;
  },
  null,
  null,
  null,
];

interface Gradient {
  value: ValueName;
  shape: readonly Dim[];
}

/** The gradient before one axis was resized. */
function alongAxis(context: GradientContext, { value, shape }: Gradient, resized: Resized): Gradient {
  const { b } = context;
  const { axis, from } = resized;
  const weights = weightsOf(context, resized);
  const before = shape.with(axis, from);
  if (axis === shape.length - 1) {
    return { value: b.add("MatMul", [value, b.add("Transpose", [weights], { perm: [1, 0] })]), shape: before };
  }
  if (axis === shape.length - 2) return { value: b.add("MatMul", [weights, value]), shape: before };
  // What stands behind the axis becomes the columns of one matrix.
  const columns = elementCount(shape.slice(axis + 1) as number[]);
  const matrix = reshapeTo(b, value, [...shape.slice(0, axis + 1), columns]);
  return { value: reshapeTo(b, b.add("MatMul", [weights, matrix]), before), shape: before };
}

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

/** Row i: how much element i has in each of the resized ones. [from, to] */
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
function repeats({ node }: GradientContext, { axis, from, to, scale }: Resized): boolean {
  if (axis < 2 || attribute(node, "mode", "string", "nearest") !== "nearest") return false;
  const count = scale ?? to / from;
  const coordinates = attribute(node, "coordinate_transformation_mode", "string", "half_pixel");
  const rounding = attribute(node, "nearest_mode", "string", "round_prefer_floor");
  const blocks =
    (coordinates === "asymmetric" && rounding === "floor") ||
    (coordinates === "half_pixel" && rounding.startsWith("round"));
  return Number.isInteger(count) && blocks;
}

/** dX: the sum over each block, which is an average pool's work. dY: [N, C, ..in·times] → [N, C, ..in] */
function sumBlocks({ b, node, dy, type }: GradientContext, axes: readonly Resized[]): ValueName {
  const block = type(node.inputs[0]!).shape.map((_, at) => {
    const resized = axes.find(({ axis }) => axis === at);
    return resized ? resized.to / resized.from : 1;
  });
  const kernel = block.slice(2);
  return times(b, b.add("AveragePool", [dy], { kernel_shape: kernel, strides: kernel }), elementCount(kernel));
}
