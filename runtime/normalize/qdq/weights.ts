import { ELEMENTS, elementCount, float32, type Tensor, tensor } from "../../onnx/tensor.ts";

/** real = (code − zero point) · scale */
export interface QuantizedTensor {
  codes: Tensor;
  scale: Tensor;
  zeroPoint: Tensor;
}

/**
 * One scale and zero point per output channel; int8 with zero point 0, or uint8 where codes reach further from their zero point than
 * int8 does. The same object where that is so.
 * @returns undefined for scales along another axis, or of other types
 */
export function uniformWeight(weight: QuantizedTensor, axis: number, scaleAxis: number): QuantizedTensor | undefined {
  const { codes, scale, zeroPoint } = weight;
  const channels = codes.dims[axis]!;
  const perChannel = scale.dims.length === 1 && scale.data.length === channels;
  const along = scaleAxis < 0 ? scaleAxis + codes.dims.length : scaleAxis;
  if (codes.type !== "int8" && codes.type !== "uint8") return undefined;
  if (scale.data.length !== 1 && (!perChannel || along !== axis)) return undefined;
  const isCentred = zeroPoint.data.every((value: number | bigint) => value === 0);
  const isUniform = perChannel && along === axis && zeroPoint.data.length === channels;
  if (isUniform && isCentred && codes.type === "int8") return weight;

  const at = ({ data }: Tensor, channel: number) => Number(data.length === 1 ? data[0] : data[channel]);
  const zeroPoints = Int16Array.from({ length: channels }, (_, channel) => at(zeroPoint, channel));
  const centred = lessZeroPoint(codes, axis, zeroPoints);
  if (!centred && isUniform && codes.type === "uint8") return weight;
  const scales = Float32Array.from({ length: channels }, (_, channel) => at(scale, channel));
  const stored = (
    type: "int8" | "uint8",
    data: ArrayLike<number>,
    zeroPointData: ArrayLike<number>,
  ): QuantizedTensor => ({
    codes: tensor(type, codes.dims, ELEMENTS[type].from(data)),
    scale: float32([channels], scales),
    zeroPoint: tensor(type, [channels], ELEMENTS[type].from(zeroPointData)),
  });
  if (centred) return stored("int8", centred, new Int8Array(channels));
  if (codes.type === "uint8") return stored("uint8", codes.data as Uint8Array, zeroPoints);
  return stored("uint8", unsigned(codes.data as Int8Array), unsigned(zeroPoints));
}

/** The codes with zero points of 0, where int8 holds them all. A loop, for there are millions. */
function lessZeroPoint({ dims, data }: Tensor, axis: number, zeroPoints: Int16Array): Int8Array | undefined {
  const inner = elementCount(dims.slice(axis + 1));
  const source = data as Int8Array | Uint8Array;
  const centred = new Int8Array(source.length);
  for (let begin = 0, channel = 0; begin < source.length; begin += inner, channel = (channel + 1) % zeroPoints.length) {
    for (let index = begin; index < begin + inner; index++) {
      const code = source[index]! - zeroPoints[channel]!;
      if (code < -128 || code > 127) return undefined;
      centred[index] = code;
    }
  }
  return centred;
}

/** int8 codes as uint8. */
function unsigned(codes: Int8Array | Int16Array): Uint8Array {
  const shifted = new Uint8Array(codes.length);
  for (const [index, code] of codes.entries()) shifted[index] = code + 128;
  return shifted;
}
