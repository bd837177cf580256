import type { ValueName } from "../../onnx/graph.ts";
import { float32 } from "../../onnx/tensor.ts";
import type { Lowering, Rule } from "../lowering.ts";
import type { TfliteOperator } from "../model.ts";
import { fused } from "./activations.ts";
import { padsOf, pair } from "./convolution.ts";

/** Zeros around a picture count in neither: TFLite divides by the places that are there. */
const pool =
  (opType: "AveragePool" | "MaxPool"): Rule =>
  (operator, lowering) => {
    const output = operator.outputs[0]!;
    const name = lowering.name(output);
    const x = lowering.picture(operator.inputs[0]!);
    const [, height, width] = x.sample as [number, number, number];
    const kernel = pair(operator, "filter_height", "filter_width");
    const strides = pair(operator, "stride_h", "stride_w");
    const pads = padsOf(operator, [height, width], kernel, strides);
    const [, h, w, c] = lowering.tensor(output).shape as [number, number, number, number];
    const isWhole = kernel[0] === height && kernel[1] === width && h === 1 && w === 1 && pads.every((pad) => pad === 0);
    const y =
      isWhole && opType === "AveragePool"
        ? lowering.b.add("GlobalAveragePool", [x.name], {}, name)
        : lowering.b.add(opType, [x.name], { kernel_shape: kernel, strides, pads }, name);
    const halves = opType === "AveragePool" ? tipped(lowering, operator, y, kernel[0] * kernel[1]) : y;
    lowering.give(output, fused(lowering, operator, lowering.fromPicture(halves, [c, h, w])));
  };

/**
 * A mean of codes that lies halfway between two: TFLite rounds it up, and a negative one of int8 codes down, QuantizeLinear to the even one.
 * Of an even number of places one mean in so many does; less than any other fraction tips it over. What follows multiplies the difference.
 * @see tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h
 */
function tipped(lowering: Lowering, { inputs, outputs }: TfliteOperator, mean: ValueName, places: number): ValueName {
  const { type, quantization } = lowering.tensor(inputs[0]!);
  const codes = lowering.codes(outputs[0]!);
  if (!codes || !quantization || places % 2 === 1 || (type !== "int8" && type !== "uint8")) return mean;
  const { b } = lowering;
  const name = lowering.name(outputs[0]!);
  const nudge = codes.scale / (4 * places);
  const up = b.constant(`${name}_nudge`, float32([], [nudge]));
  if (type === "uint8") return b.add("Add", [mean, up], {}, `${name}_tipped`);
  const codeZero = b.constant(`${name}_code_zero`, float32([], [-codes.scale * quantization.zeroPoints[0]!]));
  const sign = b.add("Sign", [b.add("Sub", [mean, codeZero], {}, `${name}_code`)], {}, `${name}_sign`);
  return b.add("Add", [mean, b.add("Mul", [sign, up], {}, `${name}_away`)], {}, `${name}_tipped`);
}

export const POOLING_RULES: Readonly<Record<string, Rule>> = {
  AVERAGE_POOL_2D: pool("AveragePool"),
  MAX_POOL_2D: pool("MaxPool"),
};
