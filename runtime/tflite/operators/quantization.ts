import { bytesOf } from "../../onnx/tensor.ts";
import type { Rule } from "../lowering.ts";

/** From real numbers, or from other codes; nothing where only the type of the codes is another. */
const quantize: Rule = ({ inputs, outputs }, lowering) => lowering.same(outputs[0]!, lowering.value(inputs[0]!));

/** Every value is there in real numbers already; float16 weights become what they stand for. */
const dequantize: Rule = ({ inputs, outputs }, lowering) => {
  const [input, output] = [inputs[0]!, outputs[0]!];
  if (!lowering.isConstant(input)) return lowering.same(output, lowering.value(input));
  const data = bytesOf(lowering.numbers(input));
  lowering.fold(output, { ...lowering.tensor(output), type: "float32", quantization: null, data });
};

export const QUANTIZATION_RULES: Readonly<Record<string, Rule>> = {
  DEQUANTIZE: dequantize,
  QUANTIZE: quantize,
};
