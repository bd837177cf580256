import { float32, type Tensor, tensor } from "../onnx/tensor.ts";
import { channelRanges, outputChannels } from "./layers.ts";

export interface Range {
  min: number;
  max: number;
}

/** All that values reach. */
export function rangeOf(values: Float32Array): Range {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}

/** real = (quantized − zeroPoint) · scale, quantized in 0 … 255. The scale is a float32 value. */
export interface ActivationScale {
  scale: number;
  zeroPoint: number;
}

/** A weight and its bias as integer kernels want them: int8 and int32, one scale per output channel, zero points 0. */
export interface QuantizedWeight {
  weight: Tensor<"int8">;
  weightScale: Tensor<"float32">;
  bias: Tensor<"int32">;
  /** Exactly float32(x scale · weight scale): ONNX Runtime fuses nothing else. */
  biasScale: Tensor<"float32">;
}

/**
 * On x64 without VNNI, products of uint8 and int8 are summed in pairs in 16 bits, and saturate: 2 · 255 · 127 does not fit, 2 · 255 · 64
 * does. With weights in ±64 the same bits come out on every machine. @see ONNX Runtime, Quantize ONNX Models, «reduce_range»
 */
export const WEIGHT_LIMITS = { reduced: 64, full: 127 } as const;

/** Biases stay below this, so that bias and products together fit into int32. */
export const BIAS_LIMIT = 2 ** 30;

/** For channels without weights, or next to none: neither it nor its product with an activation's scale underflows. */
const SMALLEST_SCALE = 2 ** -60;

/** The finest scale that holds the range; zero is exactly representable, since padding is zero. @see Jacob et al. 2018, §2.1 */
export function activationScale({ min, max }: Range): ActivationScale {
  const low = Math.min(min, 0);
  const high = Math.max(max, 0);
  const scale = Math.fround((high - low) / 255) || 1;
  return { scale, zeroPoint: Math.min(255, Math.round((0 - low) / scale)) };
}

/**
 * Symmetric, per output channel. A scale is widened where the bias would not fit at its finer one.
 * @param weight float32, any rank, the output channels along `axis`
 * @param bias one number per output channel
 */
export function quantizeWeight(
  weight: Tensor<"float32">,
  axis: number,
  bias: ArrayLike<number>,
  xScale: number,
  limit: number,
): QuantizedWeight {
  const channels = weight.dims[axis]!;
  const channelOf = outputChannels({ weight, axis });
  const largest = channelRanges({ weight }, channelOf, channels);
  const weightScale = Float32Array.from(largest, (value, channel) =>
    Math.max(value / limit, Math.abs(bias[channel]!) / xScale / BIAS_LIMIT, SMALLEST_SCALE),
  );
  const biasScale = weightScale.map((scale) => Math.fround(Math.fround(xScale) * scale));
  return {
    weight: tensor(
      "int8",
      weight.dims,
      Int8Array.from(weight.data as Float32Array, (value, index) =>
        clamp(Math.round(value / weightScale[channelOf(index)]!), limit),
      ),
    ),
    weightScale: float32([channels], weightScale),
    bias: tensor(
      "int32",
      [channels],
      Int32Array.from(biasScale, (scale, channel) => Math.round(bias[channel]! / scale)),
    ),
    biasScale: float32([channels], biasScale),
  };
}

const clamp = (value: number, limit: number): number => Math.max(-limit, Math.min(limit, value));
