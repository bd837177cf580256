import { attribute } from "../../onnx/attributes.ts";
import type { Dim, Node } from "../../onnx/graph.ts";
import { int64 } from "../../onnx/tensor.ts";
import { int } from "../attributes.ts";
import type { Rewrite } from "../rewriting.ts";

/**
 * Before 13, Softmax, LogSoftmax and Hardmax saw their operand as a matrix: all axes from `axis` on in one row.
 * @see ONNX Softmax-11. Mostly that row is one axis and the rest is 1, which needs no reshaping.
 */
export const coercedSoftmax: Rewrite = (node, { builder, shape }) => {
  const x = node.inputs[0]!;
  const axis = attribute(node, "axis", "int", 1);
  const dims = shape(x);
  const single = axis === -1 ? -1 : dims && onlyAxis(dims, axis < 0 ? axis + dims.length : axis);
  if (single !== undefined) return along(node, single);

  const from = dims ? (axis < 0 ? axis + dims.length : axis) : axis;
  const rows = builder.add("Flatten", [x], { axis: from }, `${node.name}_rows`);
  const computed = builder.add(node.opType, [rows], { axis: 1 }, `${node.name}_of_rows`);
  const back = dims && constantTarget(dims);
  const target = back ? builder.constant(`${node.name}_shape`, int64(back)) : builder.add("Shape", [x]);
  return { ...node, opType: "Reshape", inputs: [computed, target], attributes: {} };
};

const along = (node: Node, axis: number): Node => ({ ...node, attributes: { axis: int(axis) } });

/** The one axis that is more than 1 from `axis` on; `axis` itself where all are 1. */
function onlyAxis(dims: readonly Dim[], axis: number): number | undefined {
  const long = dims.flatMap((dim, at) => (at >= axis && dim !== 1 ? [at] : []));
  return long.length > 1 ? undefined : (long[0] ?? axis);
}

/** A Reshape's target for the shape, where at most the batch varies. */
function constantTarget(dims: readonly Dim[]): number[] | undefined {
  if (dims.filter((dim) => typeof dim === "string").length > 1) return undefined;
  return dims.map((dim) => (typeof dim === "string" ? -1 : dim));
}
