import {
  ELEMENTS,
  type ElementArray,
  type ElementType,
  elementCount,
  float32,
  type Tensor,
  tensorFromBytes,
} from "../onnx/tensor.ts";
import type { TfliteTensor } from "./model.ts";

/** A constant's stored numbers, before any quantization is undone. int4 becomes int8, float16 float32. */
export function storedNumbers({ type, shape, data }: TfliteTensor): Tensor {
  const bytes = data!;
  if (type === "int4") return { type: "int8", dims: shape, data: nibbles(bytes, elementCount(shape)) };
  if (type === "float16") return float32(shape, halves(bytes));
  if (!(type in ELEMENTS)) return float32(shape, []);
  return tensorFromBytes(type as ElementType, shape, bytes);
}

/** A constant in real numbers: scale · (code − zero point), where it is quantized. */
export function realNumbers(constant: TfliteTensor): Tensor<"float32"> {
  const { data } = storedNumbers(constant);
  const { quantization, shape } = constant;
  if (!quantization) return float32(shape, Float32Array.from<number | bigint>(data, Number)) as Tensor<"float32">;
  const { scales, zeroPoints, axis } = quantization;
  const inner = scales.length === 1 ? data.length : elementCount(shape.slice(axis + 1));
  const real = new Float32Array(data.length);
  for (let index = 0; index < real.length; index++) {
    const slice = Math.floor(index / inner) % scales.length;
    real[index] = (Number(data[index]) - zeroPoints[slice]!) * scales[slice]!;
  }
  return float32(shape, real) as Tensor<"float32">;
}

/** Two to a byte, the lower half first. */
function nibbles(bytes: Uint8Array, count: number): ElementArray<"int8"> {
  return Int8Array.from({ length: count }, (_, at) => {
    const byte = bytes[at >> 1]!;
    return ((at % 2 === 0 ? byte << 4 : byte) << 24) >> 28;
  });
}

/** @see IEEE 754, binary16 */
function halves(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.byteLength / 2 }, (_, at) => {
    const bits = view.getUint16(at * 2, true);
    const [sign, exponent, fraction] = [bits >> 15 === 0 ? 1 : -1, (bits >> 10) & 31, bits & 1023];
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
  });
}
