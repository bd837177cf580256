import { Refusal } from "../../normalize/refusal.ts";
import type { Lowering, Rule } from "../lowering.ts";
import type { TfliteOperator } from "../model.ts";
import { PADDINGS } from "../schema.ts";
import { fused } from "./activations.ts";
import { weightOperands } from "./weights.ts";

type Pair = readonly [height: number, width: number];

/** x: [1, H, W, C], filter: [O, kH, kW, C/groups] */
const convolution: Rule = (operator, lowering) => {
  const [input, weight] = operator.inputs as [number, number];
  const channels = lowering.tensor(input).shape[3]!;
  const perGroup = lowering.tensor(weight).shape[3]!;
  convolve(operator, lowering, channels / perGroup, [0, 3, 1, 2]);
};

/** Filter: [1, kH, kW, C·multiplier]; the outputs of a channel stand next to each other, as ONNX's groups do. */
const depthwise: Rule = (operator, lowering) =>
  convolve(operator, lowering, lowering.tensor(operator.inputs[0]!).shape[3]!, [3, 0, 1, 2]);

function convolve(operator: TfliteOperator, lowering: Lowering, group: number, perm: readonly number[]): void {
  const [input, weight, bias] = operator.inputs as [number, number, number?];
  const output = operator.outputs[0]!;
  const filter = lowering.tensor(weight).shape;
  const kernel: Pair = [filter[1]!, filter[2]!];
  const x = lowering.picture(input);
  const [, height, width] = x.sample as [number, number, number];
  const strides = pair(operator, "stride_h", "stride_w");
  const dilations = pair(operator, "dilation_h_factor", "dilation_w_factor");
  const pads = x.pads ?? padsOf(operator, [height, width], kernel, strides, dilations);
  const operands = weightOperands(lowering, { input, weight, bias, output }, perm, 0);
  const name = lowering.name(output);
  const y = lowering.b.add(
    "Conv",
    [x.name, operands.weight, operands.bias],
    { kernel_shape: kernel, strides, dilations, pads, group },
    name,
  );
  const [, h, w, c] = lowering.tensor(output).shape as [number, number, number, number];
  lowering.give(output, fused(lowering, operator, lowering.fromPicture(y, [c, h, w])));
}

/** Output shape, filter [O, kH, kW, I], x, bias. @see tensorflow/lite/kernels/transpose_conv.cc */
const transposedConvolution: Rule = (operator, lowering) => {
  const [, weight, input, bias] = operator.inputs as [number, number, number, number?];
  const output = operator.outputs[0]!;
  const filter = lowering.tensor(weight).shape;
  const kernel: Pair = [filter[1]!, filter[2]!];
  const x = lowering.picture(input);
  const from = x.sample.slice(1);
  const [, h, w, c] = lowering.tensor(output).shape as [number, number, number, number];
  const strides = pair(operator, "stride_h", "stride_w");
  const isSame = PADDINGS[Number(operator.options.padding)] === "SAME";
  const whole = kernel.map((size, at) => (from[at]! - 1) * strides[at]! + size);
  const totals = whole.map((size, at) => (isSame ? Math.max(0, size - [h, w][at]!) : 0));
  const begins = totals.map((total) => Math.floor(total / 2));
  const operands = weightOperands(lowering, { input, weight, bias, output }, [3, 0, 1, 2], 1);
  const y = lowering.b.add(
    "ConvTranspose",
    [x.name, operands.weight, operands.bias],
    {
      kernel_shape: kernel,
      strides,
      pads: [...begins, ...totals.map((total, at) => total - begins[at]!)],
      output_padding: whole.map((size, at) => [h, w][at]! - size + totals[at]!),
    },
    lowering.name(output),
  );
  lowering.give(output, fused(lowering, operator, lowering.fromPicture(y, [c, h, w])));
};

export const pair = ({ options }: TfliteOperator, height: string, width: string): Pair => [
  Number(options[height] ?? 1),
  Number(options[width] ?? 1),
];

/** SAME as the zeros that it means: with an odd number, one more behind than before. @see ComputePaddingHeightWidth in TFLite */
export function padsOf(
  { options }: TfliteOperator,
  from: Pair,
  kernel: Pair,
  strides: Pair,
  dilations: Pair = [1, 1],
): number[] {
  const padding = PADDINGS[Number(options.padding)];
  if (padding === undefined) throw new Refusal(`padding ${options.padding}`, "convert the model with SAME or VALID");
  const totals = kernel.map((size, at) => {
    const extent = (size - 1) * dilations[at]! + 1;
    const to = Math.ceil(from[at]! / strides[at]!);
    return padding === "SAME" ? Math.max(0, (to - 1) * strides[at]! + extent - from[at]!) : 0;
  });
  const begins = totals.map((total) => Math.floor(total / 2));
  return [...begins, ...totals.map((total, at) => total - begins[at]!)];
}

export const CONVOLUTION_RULES: Readonly<Record<string, Rule>> = {
  CONV_2D: convolution,
  DEPTHWISE_CONV_2D: depthwise,
  TRANSPOSE_CONV: transposedConvolution,
};
