import { LichenError } from "../errors.ts";
import { attribute } from "../onnx/attributes.ts";
import type { Dim, Node } from "../onnx/graph.ts";

/** A convolution's or pool's geometry, one entry per spatial axis. */
export interface Spatial {
  input: number[];
  output: number[];
  kernel: number[];
  strides: number[];
  dilations: number[];
  begins: number[];
  ends: number[];
}

/** Geometry with all defaults, `auto_pad` and `ceil_mode` resolved. @see ONNX Conv-11, MaxPool-12. @throws NO_SHAPE for a symbolic height or width. */
export function spatial(node: Node, x: readonly Dim[], w: readonly Dim[] | undefined): Spatial {
  const input = sizes(node, x.slice(2));
  const ones = input.map(() => 1);
  const kernel = w ? sizes(node, w.slice(2)) : [...attribute(node, "kernel_shape", "ints")];
  const strides = [...attribute(node, "strides", "ints", ones)];
  const dilations = [...attribute(node, "dilations", "ints", ones)];
  const extent = extents(kernel, dilations);

  const autoPad = attribute(node, "auto_pad", "string", "NOTSET");
  const given = [...attribute(node, "pads", "ints", [...ones, ...ones].fill(0))];
  const padding = input.map((size, axis): [begin: number, end: number] => {
    if (autoPad === "NOTSET") return [given[axis]!, given[axis + input.length]!];
    if (autoPad === "VALID") return [0, 0];
    const stride = strides[axis]!;
    const total = Math.max((Math.ceil(size / stride) - 1) * stride + extent[axis]! - size, 0);
    const small = Math.floor(total / 2);
    return autoPad === "SAME_UPPER" ? [small, total - small] : [total - small, small];
  });
  const begins = padding.map(([begin]) => begin);
  const ends = padding.map(([, end]) => end);
  const ceil = attribute(node, "ceil_mode", "int", 0) !== 0;
  const output = input.map((size, axis) => {
    const [stride, left] = [strides[axis]!, size + begins[axis]! + ends[axis]! - extent[axis]!];
    if (!ceil) return Math.floor(left / stride) + 1;
    // A window that begins behind the operand would see nothing.
    const count = Math.ceil(left / stride) + 1;
    return (count - 1) * stride >= size + begins[axis]! ? count - 1 : count;
  });
  return { input, output, kernel, strides, dilations, begins, ends };
}

/** How many elements a kernel reaches over, along each axis. */
export const extents = (kernel: readonly number[], dilations: readonly number[]): number[] =>
  kernel.map((k, axis) => dilations[axis]! * (k - 1) + 1);

export interface TransposedSpatial extends Spatial {
  /** Rows that are added behind, of those that the stride leaves open. */
  outputPadding: number[];
  groups: number;
}

/** Geometry of a transposed convolution: `begins` and `ends` are cut off its output. @see ONNX ConvTranspose-11 */
export function transposedSpatial(node: Node, x: readonly Dim[], w: readonly Dim[]): TransposedSpatial {
  const input = sizes(node, x.slice(2));
  const ones = input.map(() => 1);
  const none = input.map(() => 0);
  const kernel = sizes(node, w.slice(2));
  const strides = [...attribute(node, "strides", "ints", ones)];
  const dilations = [...attribute(node, "dilations", "ints", ones)];
  const outputPadding = [...attribute(node, "output_padding", "ints", none)];
  const full = extents(kernel, dilations).map(
    (extent, axis) => strides[axis]! * (input[axis]! - 1) + outputPadding[axis]! + extent,
  );

  const autoPad = attribute(node, "auto_pad", "string", "NOTSET");
  const given = [...attribute(node, "pads", "ints", [...none, ...none])];
  const shape = attribute(node, "output_shape", "ints", []).slice(-input.length);
  const padding = input.map((size, axis): [begin: number, end: number] => {
    if (shape.length === 0 && autoPad === "NOTSET") return [given[axis]!, given[axis + input.length]!];
    if (shape.length === 0 && autoPad === "VALID") return [0, 0];
    const total = Math.max(full[axis]! - (shape[axis] ?? size * strides[axis]!), 0);
    const small = Math.floor(total / 2);
    return autoPad === "SAME_UPPER" ? [small, total - small] : [total - small, small];
  });
  const begins = padding.map(([begin]) => begin);
  const ends = padding.map(([, end]) => end);
  const output = full.map((size, axis) => size - begins[axis]! - ends[axis]!);
  const groups = attribute(node, "group", "int", 1);
  return { input, output, kernel, strides, dilations, begins, ends, outputPadding, groups };
}

function sizes(node: Node, dims: readonly Dim[]): number[] {
  return dims.map((dim) => {
    if (typeof dim === "number") return dim;
    throw new LichenError("NO_SHAPE", {
      at: `${node.opType} ${node.name}`,
      found: dim,
      wanted: "a fixed height and width",
    });
  });
}
