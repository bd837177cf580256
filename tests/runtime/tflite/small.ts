import { seeded } from "../../../runtime/random/random.ts";
import { buildTflite, INT8, INT32, type OperatorParts, type TensorParts } from "./build.ts";

/** A quantized network with what matters in it: convolutions of both kinds, a sum, a pool, a product, a softmax. */
export function smallTflite(): Uint8Array {
  const random = seeded(7);
  const tensors: TensorParts[] = [];
  const buffers: Uint8Array[] = [new Uint8Array()];
  const operators: OperatorParts[] = [];
  const activation = (name: string, shape: number[], scale = 0.05, zeroPoint = -5): number =>
    tensors.push({ name, shape, type: INT8, scale: [scale], zeroPoint: [zeroPoint] }) - 1;
  const constant = (tensor: TensorParts, bytes: Uint8Array): number =>
    tensors.push({ ...tensor, buffer: buffers.push(bytes) - 1 }) - 1;
  const noise = (length: number): Uint8Array => Uint8Array.from({ length }, () => random() * 256);
  const weight = (name: string, shape: number[], axis: number, channels: number): number => {
    const quantization = { scale: Array(channels).fill(0.01), zeroPoint: Array(channels).fill(0), axis };
    return constant({ name, shape, type: INT8, ...quantization }, noise(shape.reduce((a, b) => a * b)));
  };
  const bias = (name: string, channels: number): number => {
    const quantization = { scale: Array(channels).fill(0.0005), zeroPoint: Array(channels).fill(0) };
    return constant({ name, shape: [channels], type: INT32, ...quantization }, new Uint8Array(4 * channels));
  };
  const op = (code: number, inputs: number[], output: number, options?: OperatorParts["options"]): number => {
    operators.push({ code, inputs, outputs: [output], ...(options && { options }) });
    return output;
  };

  const x = activation("x", [1, 8, 8, 1]);
  const conv = op(0, [x, weight("w0", [4, 3, 3, 1], 0, 4), bias("b0", 4)], activation("conv", [1, 4, 4, 4]), {
    kind: 1,
    int32: { 1: 2, 2: 2 },
    int8: { 3: 1 },
  });
  const depth = op(1, [conv, weight("w1", [1, 3, 3, 4], 3, 4), bias("b1", 4)], activation("depth", [1, 4, 4, 4]), {
    kind: 2,
    int32: { 1: 1, 2: 1, 3: 1 },
    int8: { 4: 3 },
  });
  const sum = op(2, [conv, depth], activation("sum", [1, 4, 4, 4], 0.1), { kind: 11 });
  const pool = op(3, [sum], activation("pool", [1, 1, 1, 4], 0.1), {
    kind: 5,
    int32: { 1: 4, 2: 4, 3: 4, 4: 4 },
    int8: { 0: 1 },
  });
  const shape = constant({ name: "shape", shape: [2], type: INT32 }, new Uint8Array(Int32Array.of(-1, 4).buffer));
  const flat = op(4, [pool, shape], activation("flat", [1, 4], 0.1));
  const logits = op(5, [flat, weight("w2", [3, 4], 0, 3), bias("b2", 3)], activation("logits", [1, 3], 0.1), {
    kind: 8,
  });
  const answer = op(6, [logits], activation("answer", [1, 3], 1 / 256, -128), { kind: 9 });
  return buildTflite({
    tensors,
    buffers,
    operators,
    codes: [3, 4, 0, 1, 22, 9, 25].map((code) => ({ deprecated: code, builtin: code })),
    inputs: [x],
    outputs: [answer],
  });
}
