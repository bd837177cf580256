import { attribute } from "../../onnx/attributes.ts";
import type { Node } from "../../onnx/graph.ts";
import { only } from "../attributes.ts";
import { Refusal } from "../refusal.ts";
import type { Rewrite, RewriteContext } from "../rewriting.ts";

/*
 * Operators that once told training from inference. Lichen makes its own training graphs; what comes in is for inference.
 */

/** Dropout does nothing in inference. @see ONNX Dropout-22 */
export const withoutDropout: Rewrite = (node, context) => {
  const training = node.inputs[2] ? context.constant(node.inputs[2]) : undefined;
  if (node.inputs[2] && (!training || training.data[0])) throw new Refusal("training mode", EXPORT_FOR_INFERENCE);
  return { ...firstOutput(node, context), opType: "Identity", inputs: [node.inputs[0]!], attributes: {} };
};

/** Running statistics, per channel. @see ONNX BatchNormalization-15 */
export const inferenceForm: Rewrite = (node, context) => {
  if (attribute(node, "training_mode", "int", 0) === 1) throw new Refusal("training mode", EXPORT_FOR_INFERENCE);
  if (attribute(node, "spatial", "int", 1) === 0) {
    throw new Refusal("statistics per pixel", "export with opset 9 or later, with statistics per channel");
  }
  return { ...firstOutput(node, context), attributes: only(node, "epsilon") };
};

const EXPORT_FOR_INFERENCE = "export the model in inference mode (model.eval() in PyTorch)";

function firstOutput(node: Node, { isRead }: RewriteContext): Node {
  const [first, ...others] = node.outputs;
  if (others.some(isRead)) throw new Refusal("outputs that only training has", EXPORT_FOR_INFERENCE);
  return { ...node, outputs: [first!] };
}
