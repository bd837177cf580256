import { describe, expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { decodeTflite } from "../../../runtime/tflite/decode.ts";
import { lowerTflite } from "../../../runtime/tflite/lower.ts";
import { buildTflite, INT8 } from "./build.ts";

const AVERAGE_POOL_2D = { code: 1, kind: 5 };
const UINT8 = 3;

/** The mean of two places, as codes of scale 1/2, and the codes that come out. */
async function means(
  type: number,
  zeroPoint: number,
  pairs: readonly (readonly [number, number])[],
): Promise<number[]> {
  const scale = 0.5;
  const tensors = [
    { name: "x", shape: [1, 1, 2, 1], type, scale: [scale], zeroPoint: [zeroPoint] },
    { name: "y", shape: [1, 1, 1, 1], type, scale: [scale], zeroPoint: [zeroPoint] },
  ];
  const options = { kind: AVERAGE_POOL_2D.kind, int32: { 1: 1, 2: 1, 3: 2, 4: 1 }, int8: { 0: 1 } };
  const file = buildTflite({
    tensors,
    codes: [{ deprecated: AVERAGE_POOL_2D.code }],
    operators: [{ inputs: [0], outputs: [1], options }],
  });
  const network = normalizeModel(lowerTflite(decodeTflite(file, "mean")));
  const session = await openSession(network);
  const values = pairs.flat().map((code) => scale * (code - zeroPoint));
  const results = await session.run({ [network.graph.inputs[0]!.name]: float32([pairs.length, 1, 1, 2], values) });
  await session.close();
  const reals = results[network.graph.outputs[0]!.name]!.data as Float32Array;
  return Array.from(reals, (value) => value / scale + zeroPoint);
}

// QuantizeLinear rounds halves to even: every other one came out otherwise, and MLPerf's ResNet made 13 steps of that.
describe("a mean halfway between two codes", () => {
  it("goes away from code 0 where codes are signed, wherever the zero point is", async () => {
    const pairs = [
      [1, 2],
      [2, 3],
      [-1, -2],
      [-2, -3],
      [0, 1],
      [-1, 0],
      [4, 4],
      [3, 6],
      [-128, -127],
      [126, 127],
    ] as const;
    const wanted = [2, 3, -2, -3, 1, -1, 4, 5, -128, 127];
    for (const zeroPoint of [0, -128, 10]) expect(await means(INT8, zeroPoint, pairs)).toEqual(wanted);
  });

  it("goes up where they are not", async () => {
    const pairs = [
      [1, 2],
      [2, 3],
      [128, 129],
      [129, 130],
      [4, 4],
      [254, 255],
    ] as const;
    for (const zeroPoint of [0, 128]) expect(await means(UINT8, zeroPoint, pairs)).toEqual([2, 3, 129, 130, 4, 255]);
  });
});
