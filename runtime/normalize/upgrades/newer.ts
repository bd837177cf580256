import { attribute } from "../../onnx/attributes.ts";
import { float32, int64 } from "../../onnx/tensor.ts";
import { without } from "../attributes.ts";
import { Refusal } from "../refusal.ts";
import type { Rewrite } from "../rewriting.ts";

/*
 * What opsets 22 to 24 brought. Of their new operators, two are short in older ones; attention, rotary embedding and the
 * cache of keys and values belong to language models.
 */

/** A node that has no form here, with what to do about it. */
export const refuse =
  (todo: string): Rewrite =>
  () => {
    throw new Refusal("", todo);
  };

/** x · sigmoid(α·x). @see ONNX Swish-24 */
export const swish: Rewrite = (node, { builder }) => {
  const x = node.inputs[0]!;
  const alpha = attribute(node, "alpha", "float", 1);
  const scaled =
    alpha === 1
      ? x
      : builder.add(
          "Mul",
          [x, builder.constant(`${node.name}_alpha`, float32([], [alpha]))],
          {},
          `${node.name}_scaled`,
        );
  const gate = builder.add("Sigmoid", [scaled], {}, `${node.name}_gate`);
  return { ...node, opType: "Mul", inputs: [x, gate], attributes: {} };
};

/** x / √(mean(x²) + ε) · scale, over the axes from `axis` on. @see ONNX RMSNormalization-23 */
export const rootMeanSquare: Rewrite = (node, { builder, shape, isRead }) => {
  const [x, scale] = node.inputs as [string, string];
  if (node.outputs.slice(1).some(isRead)) throw new Refusal("more than one output", "export the model without it");
  const from = attribute(node, "axis", "int", -1);
  const rank = shape(x)?.length;
  if (from >= 0 && rank === undefined) throw new Refusal("an operand of unknown rank", "export with axis -1");
  const begin = from < 0 ? from : from - rank!;
  const axes = int64(Array.from({ length: -begin }, (_, at) => begin + at));
  const add = (opType: string, inputs: string[]) => builder.add(opType, inputs, {}, `${node.name}_${opType}`);
  const epsilon = float32([], [attribute(node, "epsilon", "float", 1e-5)]);

  const mean = add("ReduceMean", [add("Mul", [x, x]), builder.constant(`${node.name}_axes`, axes)]);
  const root = add("Sqrt", [add("Add", [mean, builder.constant(`${node.name}_epsilon`, epsilon)])]);
  const normalized = add("Div", [x, root]);
  return {
    ...node,
    opType: "Mul",
    domain: "",
    inputs: [normalized, scale],
    outputs: [node.outputs[0]!],
    attributes: {},
  };
};

/** Attributes of QuantizeLinear-23 and DequantizeLinear-23, at the only values that 21 can say without them. */
export const newAttributes: Rewrite = (node) => {
  const others = ["precision", ...(node.opType === "DequantizeLinear" ? ["output_dtype"] : [])];
  const odd = others.find((name) => attribute(node, name, "int", 0) > FLOAT);
  if (odd) throw new Refusal(`${odd} other than float32`, "export with float32 as the real type");
  if (attribute(node, "block_size", "int", 0) !== 0) {
    throw new Refusal("scales per block", "quantize with one scale per tensor or per channel");
  }
  return { ...node, attributes: without(node, ...others, "block_size") };
};

/** TensorProto.DataType, 0 being undefined. */
const FLOAT = 1;
