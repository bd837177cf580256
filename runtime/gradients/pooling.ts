import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { elementCount, float32, int64 } from "../onnx/tensor.ts";
import { extents, type Spatial, spatial } from "../shapes/spatial.ts";
import { spreadByStride } from "./convolution.ts";
import { where } from "./elementwise.ts";
import { scatter } from "./gathering.ts";
import { padBy } from "./padding.ts";
import { type GradientContext, type GradientRule, reshapeTo, times } from "./rule.ts";

/** Each input element had 1/(H·W) of the mean. A product takes half as long as Expand. dY: [N, C, 1, 1] → dX: [N, C, H, W] */
export const globalAveragePool: GradientRule = ({ b, node, dy, type }) => [
  () => {
    const sizes = type(node.inputs[0]!).shape.slice(2) as number[];
    const places = elementCount(sizes);
    return b.add("Mul", [dy, b.constant("shares", float32([1, 1, ...sizes], Array<number>(places).fill(1 / places)))]);
  },
];

/** All goes to the maximum; the first of several, as in PyTorch. dY: [N, C, 1, 1] → dX: [N, C, H, W] */
export const globalMaxPool: GradientRule = ({ b, node, dy, type }) => [
  () => {
    const { shape } = type(node.inputs[0]!);
    const size = elementCount(shape.slice(2) as number[]);
    const flat = reshapeTo(b, node.inputs[0]!, [...shape.slice(0, 2), size]);
    const first = b.add("ArgMax", [flat], { axis: 2, keepdims: 1 });
    const places = b.constant("places", int64([...Array(size).keys()]));
    const gradient = where(b, b.add("Equal", [first, places]), reshapeTo(b, dy, [...shape.slice(0, 2), 1]));
    return reshapeTo(b, gradient, shape);
  },
];

/**
 * Each window's gradient goes to its maximum, the first of several, as in PyTorch. The pool is run again for the places of
 * the maxima, which is three quarters of the cost; to compare each element with its repeated maximum is no faster once ties count.
 */
export const maxPool: GradientRule = ({ b, node, dy, type }) => [
  () => {
    const x = node.inputs[0]!;
    const { storage_order: _, ...attributes } = node.attributes;
    const [maxima, places] = [b.fresh("maxima"), b.fresh("places")];
    b.adopt({ ...node, name: b.fresh("MaxPool"), outputs: [maxima, places], attributes });
    // Places count through the whole batch.
    const vector = b.constant("shape", int64([-1]));
    const [flatX, flatPlaces, flatDy] = [x, places, dy].map((value) => b.add("Reshape", [value, vector]));
    return reshapeTo(b, scatter(b, flatX!, flatPlaces!, flatDy!, 0), type(x).shape);
  },
];

/** Each element gets its share from every window that it was in. dY: [N, C, …out] → dX: [N, C, …in] */
export const averagePool: GradientRule = (context) => [
  () => {
    const { b, node, dy, type } = context;
    const g = spatial(node, type(node.inputs[0]!).shape, undefined);
    const apart = g.kernel.every((size, axis) => size === g.strides[axis] && (size === 1 || g.dilations[axis] === 1));
    const shares = counts(context, g).map((count) => (apart ? 1 : elementCount(g.kernel)) / count);
    const shared = shares.every((share) => share === shares[0])
      ? times(b, dy, shares[0]!)
      : b.add("Mul", [dy, b.constant("shares", float32([1, 1, ...g.output], shares))]);
    return apart ? repeated(b, shared, g) : pooledAgain(b, shared, g);
  },
];

/** Windows side by side: each window's share over all of its elements, twice as fast as what works for any windows. */
function repeated(b: GraphBuilder, shares: ValueName, g: Spatial): ValueName {
  const scales = b.constant("scales", float32([2 + g.strides.length], [1, 1, ...g.strides]));
  const windows = b.add("Resize", [shares, "", scales], {
    mode: "nearest",
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor",
  });
  return padTo(b, windows, g, (axis) => -g.begins[axis]!, g.input);
}

/** Any windows: an average pool of the shares, spread by the stride, which gathers for each element from the windows around it. */
function pooledAgain(b: GraphBuilder, shares: ValueName, g: Spatial): ValueName {
  const spread = g.strides.some((stride) => stride > 1) ? spreadByStride(b, shares, g) : shares;
  const reach = extents(g.kernel, g.dilations).map((extent) => extent - 1);
  const sizes = g.input.map((size, axis) => size + reach[axis]!);
  const padded = padTo(b, spread, g, (axis) => reach[axis]! - g.begins[axis]!, sizes);
  return b.add("AveragePool", [padded], { kernel_shape: g.kernel, dilations: g.dilations });
}

/** Padded, or cut, in front; and behind, to the sizes that are wanted. @param value [N, C, …out·stride] */
const padTo = (
  b: GraphBuilder,
  value: ValueName,
  g: Spatial,
  begin: (axis: number) => number,
  sizes: readonly number[],
): ValueName =>
  padBy(
    b,
    value,
    sizes.map((size, axis) => ({
      axis: axis + 2,
      begin: begin(axis),
      end: size - begin(axis) - g.output[axis]! * g.strides[axis]!,
    })),
  );

/** How many elements each window's sum is divided by. [..out] */
function counts({ node }: GradientContext, g: Spatial): number[] {
  const withPadding = attribute(node, "count_include_pad", "int", 0) !== 0;
  const perAxis = g.output.map((windows, axis) => {
    const [low, high] = withPadding ? [-g.begins[axis]!, g.input[axis]! + g.ends[axis]!] : [0, g.input[axis]!];
    return Array.from({ length: windows }, (_, at) => {
      const start = at * g.strides[axis]! - g.begins[axis]!;
      const places = Array.from({ length: g.kernel[axis]! }, (_, tap) => start + tap * g.dilations[axis]!);
      return places.filter((place) => place >= low && place < high).length;
    });
  });
  return perAxis.reduce((product, axis) => product.flatMap((count) => axis.map((other) => count * other)), [1]);
}
