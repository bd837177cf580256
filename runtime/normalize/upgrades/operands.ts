import { attribute } from "../../onnx/attributes.ts";
import type { Node, ValueName } from "../../onnx/graph.ts";
import { float32, int64, tensor } from "../../onnx/tensor.ts";
import { int, without } from "../attributes.ts";
import type { Rewrite, RewriteContext } from "../rewriting.ts";

/*
 * Attributes that became operands, so that graphs could compute them. Their values go into initializers.
 */

/** Reductions, Squeeze, Unsqueeze: `axes`. Where it is absent all axes are meant, then and now. */
export const axesOperand: Rewrite = (node, context) => moved(node, context, ["axes"]);

/** Slice-10. Absent `axes` are the first ones, then and now. */
export const sliceOperands: Rewrite = (node, context) => moved(node, context, ["starts", "ends", "axes"]);

/** Split-13 */
export const splitOperand: Rewrite = (node, context) => moved(node, context, ["split"]);

/** Split-18: equal parts have to be counted. */
export const splitCount: Rewrite = (node) =>
  node.inputs[1] ? node : { ...node, attributes: { ...node.attributes, num_outputs: int(node.outputs.length) } };

/** Clip-11. */
export const clipBounds: Rewrite = (node, { builder }) => {
  const bound = (name: "min" | "max"): ValueName =>
    node.attributes[name]
      ? builder.constant(`${node.name}_${name}`, float32([], [attribute(node, name, "float")]))
      : "";
  return { ...node, inputs: trimmed([node.inputs[0]!, bound("min"), bound("max")]), attributes: {} };
};

/** Pad-11: pads and the constant to pad with. */
export const padOperands: Rewrite = (node, context) => {
  const value = context.builder.constant(`${node.name}_value`, float32([], [attribute(node, "value", "float", 0)]));
  const padded = moved(node, context, ["pads"]);
  return { ...padded, inputs: [...padded.inputs, value], attributes: without(padded, "value") };
};

/** TopK-10 */
export const topCount: Rewrite = (node, { builder }) => {
  const count = builder.constant(
    `${node.name}_k`,
    tensor("int64", [1], BigInt64Array.of(BigInt(attribute(node, "k", "int")))),
  );
  return { ...node, inputs: [node.inputs[0]!, count], attributes: without(node, "k") };
};

/** Lists of integers, each as the operand behind those that are there. */
function moved(node: Node, { builder }: RewriteContext, names: readonly string[]): Node {
  const operands = names.map((name) =>
    node.attributes[name] ? builder.constant(`${node.name}_${name}`, int64(attribute(node, name, "ints"))) : "",
  );
  return { ...node, inputs: trimmed([...node.inputs, ...operands]), attributes: without(node, ...names) };
}

/** Without absent operands at the end. */
function trimmed(inputs: readonly ValueName[]): readonly ValueName[] {
  const last = inputs.findLastIndex((name) => name !== "");
  return inputs.slice(0, last + 1);
}
