import { uniformWeight } from "../../normalize/qdq/weights.ts";
import { Refusal } from "../../normalize/refusal.ts";
import type { ValueName } from "../../onnx/graph.ts";
import { ELEMENTS, float32, int32, type Tensor, tensor } from "../../onnx/tensor.ts";
import { transposeTensor } from "../../onnx/transpose.ts";
import type { Codes, Lowering } from "../lowering.ts";

/** A layer's constants as operands. */
export interface WeightOperands {
  weight: ValueName;
  bias: ValueName;
}

/**
 * Weight and bias of a layer. Behind a quantized input they are int8 (or uint8 with a zero point) and int32 codes, one scale per output
 * channel, and the bias's scale is the product of the other two, whatever the file says: that is what TFLite's kernels compute with, and all
 * that ONNX Runtime fuses. Before real numbers (hybrid and float16 models) they are real numbers.
 * @param perm from the file's order of axes to ONNX's
 * @param axis of the output channels, in ONNX's order
 */
export function weightOperands(
  lowering: Lowering,
  { input, weight, bias, output }: { input: number; weight: number; bias: number | undefined; output: number },
  perm: readonly number[],
  axis: number,
): WeightOperands {
  const name = lowering.name(output);
  const codes = lowering.codes(input);
  const { quantization, shape } = lowering.tensor(weight);
  const channels = shape[perm[axis]!]!;
  const biased = bias !== undefined && bias >= 0;
  const real = () => {
    const value = transposeTensor(lowering.numbers(weight), perm);
    const scales =
      quantization && codesScale(lowering, input) ? productScales(lowering, input, weight, channels) : null;
    const sum = biased ? realBias(lowering, bias, scales) : float32([channels], new Float32Array(channels));
    return {
      weight: lowering.b.constant(`${name}_weight`, value),
      bias: lowering.b.constant(`${name}_bias`, sum),
    };
  };
  if (!codes || !quantization) return real();

  const stored = transposeTensor(lowering.stored(weight), perm);
  const { scales, zeroPoints } = quantization;
  const type = stored.type as "int8" | "uint8";
  const uniform = uniformWeight(
    {
      codes: stored,
      scale: float32([scales.length], scales),
      zeroPoint: tensor(type, [zeroPoints.length], ELEMENTS[type].from(zeroPoints)),
    },
    axis,
    scales.length > 1 ? perm.indexOf(quantization.axis) : axis,
  );
  if (!uniform) {
    throw new Refusal(
      `a weight of ${type} with scales along axis ${quantization.axis}`,
      "convert the model with one scale, or one per output channel",
    );
  }
  const product = Float32Array.from(uniform.scale.data as Float32Array, (scale) =>
    Math.fround(Math.fround(codes.scale) * scale),
  );
  const sums = biased ? lowering.integers(bias) : Array<number>(channels).fill(0);
  const fits = sums.every((sum) => Math.abs(sum) < 2 ** 31);
  return {
    weight: dequantized(lowering, `${name}_weight`, uniform.codes, uniform.scale, uniform.zeroPoint, axis),
    // Of 16 bits' activations the sums have 64.
    bias: fits
      ? dequantized(
          lowering,
          `${name}_bias`,
          int32([channels], sums),
          float32([channels], product),
          int32([channels], new Int32Array(channels)),
          0,
        )
      : lowering.b.constant(
          `${name}_bias`,
          float32(
            [channels],
            sums.map((sum, channel) => sum * product[channel]!),
          ),
        ),
  };
}

function dequantized(
  { b }: Lowering,
  name: string,
  codes: Tensor,
  scale: Tensor,
  zeroPoint: Tensor,
  axis: number,
): ValueName {
  const inputs = [
    b.constant(`${name}_quantized`, codes),
    b.constant(`${name}_scale`, scale),
    b.constant(`${name}_zero_point`, zeroPoint),
  ];
  return b.add("DequantizeLinear", inputs, { axis }, name);
}

const codesScale = (lowering: Lowering, input: number): Codes["scale"] | undefined =>
  lowering.tensor(input).quantization?.scales[0];

function productScales(lowering: Lowering, input: number, weight: number, channels: number): number[] {
  const x = codesScale(lowering, input)!;
  const { scales } = lowering.tensor(weight).quantization!;
  return Array.from({ length: channels }, (_, channel) => x * (scales[channel] ?? scales[0]!));
}

/** Of a quantized layer that is to be real, the bias in the layer's own scale; of others as it stands. */
function realBias(lowering: Lowering, bias: number, scales: readonly number[] | null): Tensor {
  const { type } = lowering.tensor(bias);
  if (!scales || (type !== "int32" && type !== "int64")) return lowering.numbers(bias);
  const sums = lowering.integers(bias);
  return float32(
    [sums.length],
    sums.map((sum, channel) => sum * scales[channel]!),
  );
}
