import type { Rule } from "../lowering.ts";
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
    lowering.give(output, fused(lowering, operator, lowering.fromPicture(y, [c, h, w])));
  };

export const POOLING_RULES: Readonly<Record<string, Rule>> = {
  AVERAGE_POOL_2D: pool("AveragePool"),
  MAX_POOL_2D: pool("MaxPool"),
};
