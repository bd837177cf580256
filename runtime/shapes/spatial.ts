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

/** Geometry with all defaults and `auto_pad` resolved. @see ONNX Conv-11. @throws NO_SHAPE for a symbolic height or width. */
export function spatial(node: Node, x: readonly Dim[], w: readonly Dim[] | undefined): Spatial {
  const input = sizes(node, x.slice(2));
  const ones = input.map(() => 1);
  const kernel = w ? sizes(node, w.slice(2)) : [...attribute(node, "kernel_shape", "ints")];
  const strides = [...attribute(node, "strides", "ints", ones)];
  const dilations = [...attribute(node, "dilations", "ints", ones)];
  const extent = kernel.map((k, axis) => dilations[axis]! * (k - 1) + 1);

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
  const output = input.map(
    (size, axis) => Math.floor((size + begins[axis]! + ends[axis]! - extent[axis]!) / strides[axis]!) + 1,
  );
  return { input, output, kernel, strides, dilations, begins, ends };
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
