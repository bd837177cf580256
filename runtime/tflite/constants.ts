import { dequantized } from "../onnx/dequantize.ts";
import { float16Bits } from "../onnx/half-floats.ts";
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
  return float32(shape, dequantized({ data, dims: shape }, scales, zeroPoints, axis)) as Tensor<"float32">;
}

/** Two to a byte, the lower half first. */
function nibbles(bytes: Uint8Array, count: number): ElementArray<"int8"> {
  return Int8Array.from({ length: count }, (_, at) => {
    const byte = bytes[at >> 1]!;
    return ((at % 2 === 0 ? byte << 4 : byte) << 24) >> 28;
  });
}

function halves(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = Int32Array.from({ length: bytes.byteLength / 2 }, (_, at) => float16Bits(view.getUint16(at * 2, true)));
  return new Float32Array(wide.buffer);
}
