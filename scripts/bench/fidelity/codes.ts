import { channelsFirst, channelsLast } from "../../../runtime/onnx/layout.ts";
import { elementCount, float32, type Tensor } from "../../../runtime/onnx/tensor.ts";
import { transposeTensor } from "../../../runtime/onnx/transpose.ts";
import { decodeTflite } from "../../../runtime/tflite/decode.ts";
import type { TfliteModel, TfliteTensor } from "../../../runtime/tflite/model.ts";

const ARRAYS = { float32: Float32Array, int8: Int8Array, uint8: Uint8Array } as const;
const LIMITS = { int8: [-128, 127], uint8: [0, 255] } as const;

type Held = keyof typeof ARRAYS;

/** A TFLite model's own end: how its numbers are written, and what a step of them is. */
export interface End {
  type: Held;
  /** One sample. */
  elements: number;
  shape: readonly number[];
  /** 0 where real numbers go in or out that were never codes. */
  scale: number;
  zeroPoint: number;
}

export function endsOf(bytes: Uint8Array, at: string): { model: TfliteModel; input: End; output: End } {
  const model = decodeTflite(bytes, at);
  const [input, output] = [model.inputs[0]!, model.outputs[0]!];
  return {
    model,
    input: endOf(model.tensors[input]!),
    output: { ...endOf(model.tensors[output]!), ...step(model, output) },
  };
}

function endOf({ type, shape, quantization }: TfliteTensor): End {
  if (!(type in ARRAYS)) throw new Error(`no end of type ${type}`);
  const [scale, zeroPoint] = [quantization?.scales[0] ?? 0, quantization?.zeroPoints[0] ?? 0];
  return { type: type as Held, elements: elementCount(shape), shape, scale, zeroPoint };
}

/** Real numbers at the end may have been codes until the last operator. */
function step({ operators, tensors }: TfliteModel, output: number): { scale?: number } {
  const last = operators.find(({ name, outputs }) => name === "DEQUANTIZE" && outputs.includes(output));
  const scale = last && tensors[last.inputs[0]!]!.quantization?.scales[0];
  return scale ? { scale } : {};
}

/** Features [1, C, H, W] or [1, …] as the file wants them: channels last, in codes. */
export function encodeInput(features: Tensor<"float32">, end: End): Uint8Array {
  const last = (features.dims.length === 4 ? transposeTensor(features, channelsLast(4)) : features)
    .data as Float32Array;
  const { type, scale, zeroPoint } = end;
  if (type === "float32") return new Uint8Array(Float32Array.from(last).buffer);
  const [low, high] = LIMITS[type];
  const codes = Array.from(last, (value) => Math.min(high, Math.max(low, Math.round(value / scale) + zeroPoint)));
  return new Uint8Array(ARRAYS[type].from(codes).buffer);
}

/** The real numbers that an encoded input stands for, as [1, C, H, W] or [1, …] again. */
export function decodeInput(bytes: Uint8Array, end: End, dims: readonly number[]): Float32Array {
  const last = realNumbers(bytes, end);
  if (dims.length !== 4) return last;
  const [n, channels, height, width] = dims as [number, number, number, number];
  return transposeTensor(float32([n, height, width, channels], last), channelsFirst(4)).data as Float32Array;
}

export function realNumbers(bytes: Uint8Array, { type, scale, zeroPoint }: End): Float32Array {
  const held = new ARRAYS[type](bytes.slice().buffer);
  return type === "float32" ? Float32Array.from(held) : Float32Array.from(held, (code) => (code - zeroPoint) * scale);
}
