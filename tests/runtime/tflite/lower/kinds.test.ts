import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../../runtime/derive/base.ts";
import { openSession } from "../../../../runtime/execute/session.ts";
import { normalizeModel } from "../../../../runtime/normalize/index.ts";
import { encodeModel } from "../../../../runtime/onnx/encode.ts";
import type { Model } from "../../../../runtime/onnx/graph.ts";
import { float32 } from "../../../../runtime/onnx/tensor.ts";
import { decodeTflite } from "../../../../runtime/tflite/decode.ts";
import { lowerTflite } from "../../../../runtime/tflite/lower.ts";
import { executed, operatorCounts } from "../../normalize/compare.ts";
import { type Case, fileOf } from "./case.ts";
import { CASES } from "./cases.ts";

const lowered = (given: Case, options?: Parameters<typeof lowerTflite>[1]) =>
  lowerTflite(decodeTflite(fileOf("kind", given), "kind"), options);

async function answer(model: Model, dims: readonly number[], numbers: readonly number[]): Promise<number[]> {
  const session = await openSession(encodeModel(model));
  try {
    const x = float32(dims, numbers);
    const { [model.graph.outputs[0]!.name]: y } = await session.run({ [model.graph.inputs[0]!.name]: x });
    return Array.from(y!.data as Float32Array);
  } finally {
    await session.close();
  }
}

/** x: [1, 2], w: [1, 2] */
const product = (
  x: Case["tensors"][string],
  w: Case["tensors"][string],
  y: Case["tensors"][string],
  b?: Case["tensors"][string],
): Case => ({
  tensors: { x, w, ...(b && { b }), y },
  operators: [["FULLY_CONNECTED", b ? ["x", "w", "b"] : ["x", "w"], ["y"]]],
});

const code = (type: "int8" | "uint8" | "int16", shape: number[], scale: number, zeroPoint = 0, values?: number[]) => ({
  type,
  shape,
  scale: [scale],
  zeroPoint: [zeroPoint],
  ...(values && { values }),
});

describe("kinds of TFLite quantization", () => {
  it("int8: what the kernels compute by hand", async () => {
    const model = lowered(
      product(code("int8", [1, 2], 0.5, -1), code("int8", [1, 2], 0.25, 0, [3, -2]), code("int8", [1, 1], 0.125, 10), {
        type: "int32",
        shape: [1],
        scale: [0.125],
        values: [7],
      }),
    );
    // Codes 3 and 5 stand for 2 and 3: (4·3 + 6·−2 + 7) · 0.5 · 0.25 = 0.875, which is code 17.
    expect(await answer(model, [1, 2], [2, 3])).toEqual([0.875]);
    const codes = model.graph.nodes.find(({ opType }) => opType === "QuantizeLinear")!;
    expect(Number(model.graph.initializers.get(codes.inputs[2]!)!.data[0])).toBe(127); // −1, of uint8
  });

  it("takes the product of the scales for a bias, whatever the file says", async () => {
    const bias = { type: "int32", shape: [1], scale: [0.9], values: [7] } as const;
    const model = lowered(
      product(
        code("int8", [1, 2], 0.5, -1),
        code("int8", [1, 2], 0.25, 0, [3, -2]),
        code("int8", [1, 1], 0.125, 10),
        bias,
      ),
    );
    expect(await answer(model, [1, 2], [2, 3])).toEqual([0.875]);
    expect(await executed(normalizeModel(model))).toHaveProperty("QGemm", 1);
  });

  it("uint8 weights that reach too far from their zero point for int8 keep it", async () => {
    const model = lowered(
      product(
        code("uint8", [1, 2], 0.5, 128),
        code("uint8", [1, 2], 0.25, 40, [255, 0]),
        code("uint8", [1, 1], 0.5, 128),
      ),
    );
    // 2·0.25·(215·2 − 40·3)·0.5 …: (4·215 + 6·−40) · 0.125 = 77.5 is beyond code 255, which is 63.5.
    expect(await answer(model, [2, 2], [2, 3, 0.5, 2])).toEqual([63.5, 7]);
    expect(await executed(normalizeModel(model))).toHaveProperty("QGemm", 1);
  });

  it("16-bit activations with 8-bit weights: right, though no integer kernel knows them", async () => {
    const bias = { type: "int64", shape: [1], scale: [2 ** -12], values: [4096] } as const;
    const given = product(
      code("int16", [1, 2], 2 ** -10),
      code("int8", [1, 2], 0.25, 0, [3, -2]),
      code("int16", [1, 1], 2 ** -10),
      bias,
    );
    const model = lowered(given);
    expect(await answer(model, [1, 2], [2, 3 + 2 ** -10])).toEqual(
      [0.25 * (6 - 6 - 2 ** -9) + 1].map((y) => Math.round(y * 1024) / 1024),
    );
    expect(await answer(normalizeModel(model), [1, 2], [2, 3])).toEqual([1]);
  });

  it("8-bit weights with real activations are real weights", async () => {
    const model = lowered(product({ shape: [1, 2] }, code("int8", [1, 2], 0.25, 0, [3, -2]), { shape: [1, 1] }));
    expect(operatorCounts(model.graph)).toEqual({ Gemm: 1 });
    expect(await answer(model, [1, 2], [2, 1])).toEqual([1]);
  });

  it("float form: a bias is what its codes stand for", async () => {
    const bias = { type: "int32", shape: [1], scale: [0.9], values: [7] } as const;
    const given = product(
      code("int8", [1, 2], 0.5, -1),
      code("int8", [1, 2], 0.25, 0, [3, -2]),
      code("int8", [1, 1], 4, 10),
      bias,
    );
    expect(await answer(lowered(given, { form: "float" }), [1, 2], [2.2, 3])).toEqual([
      expect.closeTo(2.2 * 0.75 - 1.5 + 0.875, 5),
    ]);
  });

  it("zeros around a picture become the convolution's own, so that it fuses", async () => {
    const model = lowered(CASES["PAD before a convolution, int8"]!);
    expect(operatorCounts(model.graph)).not.toHaveProperty("Pad");
    expect(await executed(normalizeModel(model))).toHaveProperty("QLinearConv", 1);
  });

  it("int8 for arm64: the same numbers from other codes", async () => {
    const given = CASES["FULLY_CONNECTED, int8"]!;
    const x = Array.from({ length: 20 }, (_, at) => Math.sin(at));
    const [x64, arm64] = [lowered(given), lowered(given, { target: "arm64" })];
    expect(await answer(arm64, [1, 20], x)).toEqual(await answer(x64, [1, 20], x));
  });
});

describe("what has no rule", () => {
  const odd: Case = {
    tensors: { x: { shape: [1, 4] }, a: { shape: [1, 4] }, b: { shape: [1, 4] }, y: { shape: [1, 4] } },
    operators: [
      ["SIN", ["x"], ["a"]],
      ["SIN", ["a"], ["b"]],
      ["COS", ["b"], ["y"]],
    ],
  };

  it("is named all at once, with how often it is there", () => {
    expect(() => lowered(odd)).toThrow(expect.objectContaining({ code: "UNSUPPORTED_OPERATOR" }));
    expect(() => lowered(odd)).toThrow(/SIN \(2 times\), COS/);
  });

  it("is no matter where nothing depends on it", () => {
    const { operators, ...rest } = odd;
    const beside: Case = { ...rest, operators: [operators[0]!, ["NEG", ["x"], ["y"]]] };
    expect(operatorCounts(lowered(beside).graph)).toEqual({ Neg: 1 });
  });

  it("says where an operator is used in a way that has none", () => {
    const given: Case = {
      tensors: {
        x: { shape: [1, 4, 4, 2] },
        p: { shape: [4, 2], type: "int32", values: [0, 0, 2, 2, 0, 0, 0, 0] },
        y: { shape: [1, 8, 4, 2] },
      },
      operators: [["MIRROR_PAD", ["x", "p"], ["y"], { mode: 1 }]],
    };
    expect(() => lowered(given)).toThrow(/MIRROR_PAD y.*symmetric/);
  });
});

describe("names", () => {
  it("are the file's, of those that a converter joined the first; what goes in and out keeps its own", () => {
    const given: Case = {
      tensors: {
        "serving_default_x:0": { shape: [1, 2] },
        w: { shape: [3, 2], values: "noise" },
        "model/dense/MatMul;model/dense/BiasAdd": { shape: [1, 3] },
        "StatefulPartitionedCall:0": { ...code("int8", [1, 3], 1 / 256, -128) },
      },
      operators: [
        ["FULLY_CONNECTED", ["serving_default_x:0", "w"], ["model/dense/MatMul;model/dense/BiasAdd"]],
        ["QUANTIZE", ["model/dense/MatMul;model/dense/BiasAdd"], ["StatefulPartitionedCall:0"]],
      ],
    };
    const { graph } = lowered(given);
    expect(graph.inputs.map(({ name }) => name)).toEqual(["serving_default_x_0"]);
    expect(graph.outputs.map(({ name }) => name)).toEqual(["StatefulPartitionedCall_0"]);
    expect(prepareBase(lowered(given)).layers.map(({ name }) => name)).toEqual(["model/dense/MatMul"]);
  });
});
