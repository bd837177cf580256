import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueInfo, ValueName } from "../onnx/graph.ts";
import { int64 } from "../onnx/tensor.ts";
import type { Loss } from "./loss.ts";

/** A loss of one row a sample, [N, outputs], over outputs of any shape: a convolution at the end gives [N, classes, 1, 1]. */
export function overRows(b: GraphBuilder, { name, shape }: ValueInfo, build: (logits: ValueName) => Loss): Loss {
  if (shape.length === 2) return build(name);
  const loss = build(b.add("Flatten", [name], { axis: 1 }));
  const dims = b.constant("shape", int64(shape.map((size) => (typeof size === "number" ? size : -1))));
  return { ...loss, gradient: b.add("Reshape", [loss.gradient, dims]) };
}
