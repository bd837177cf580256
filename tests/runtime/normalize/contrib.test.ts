import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { FUSED } from "../../../runtime/normalize/contrib/fused.ts";
import { CONTRIB_QUANTIZED, QUANTIZED } from "../../../runtime/normalize/contrib/quantized.ts";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import type { Attribute, Dim, Model, Node } from "../../../runtime/onnx/graph.ts";
import { float32, int32, scalar, type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";
import { noise, random } from "../toy.ts";
import { difference, executed, expectSettled, inputsOf, operatorCounts, outputsOf } from "./compare.ts";
import { type Single, single } from "./single.ts";

const next = random(11);
const constant = (dims: number[], scale = 1) => noise(dims, next, scale);
const ms = "com.microsoft";
const image = ["N", 4, 6, 8];
const convolution = [image, constant([5, 4, 3, 3], 0.3), constant([5])] as const;

const FLOAT_CASES: Readonly<Record<string, Single>> = {
  Gelu: { opType: "Gelu", operands: [["N", 7]] },
  BiasGelu: { opType: "BiasGelu", operands: [["N", 7], constant([7])] },
  FastGelu: { opType: "FastGelu", operands: [["N", 7]] },
  "FastGelu with a bias": { opType: "FastGelu", operands: [["N", 7], constant([7])] },
  QuickGelu: { opType: "QuickGelu", operands: [["N", 7]], attributes: { alpha: { float: 1.5 } } },
  SkipLayerNormalization: {
    opType: "SkipLayerNormalization",
    operands: [["N", 3, 8], ["N", 3, 8], constant([8]), constant([8])],
    attributes: { epsilon: { float: 1e-5 } },
  },
  "SkipLayerNormalization with all operands and the sum as an output": {
    opType: "SkipLayerNormalization",
    operands: [["N", 3, 8], ["N", 3, 8], constant([8]), constant([8]), constant([8])],
    outputs: 4,
    results: 1,
  },
  SkipSimplifiedLayerNormalization: {
    opType: "SkipSimplifiedLayerNormalization",
    operands: [["N", 3, 8], ["N", 3, 8], constant([8]), constant([8])],
  },
  FusedConv: { opType: "FusedConv", operands: convolution, attributes: { activation: "Relu", strides: [2, 2] } },
  "FusedConv with a sum": {
    opType: "FusedConv",
    operands: [...convolution, ["N", 5, 4, 6]],
    attributes: { activation: "Relu" },
  },
  "FusedConv, clipped": {
    opType: "FusedConv",
    operands: convolution,
    attributes: { activation: "Clip", activation_params: { floats: [-0.5, 0.75] } },
  },
  "FusedConv with a leak": {
    opType: "FusedConv",
    operands: convolution,
    attributes: { activation: "LeakyRelu", activation_params: { floats: [0.2] } },
  },
  "FusedConv with HardSigmoid": {
    opType: "FusedConv",
    operands: convolution,
    attributes: { activation: "HardSigmoid", activation_params: { floats: [0.25, 0.4] } },
  },
  FusedGemm: {
    opType: "FusedGemm",
    operands: [["N", 7], constant([3, 7]), constant([3])],
    attributes: { transB: 1, alpha: { float: 0.5 }, activation: "LeakyRelu", activation_alpha: { float: 0.3 } },
  },
  FusedMatMul: {
    opType: "FusedMatMul",
    operands: [["N", 2, 7], constant([7, 3])],
    attributes: { alpha: { float: 0.125 } },
  },
  "FusedMatMul of transposed operands": {
    opType: "FusedMatMul",
    operands: [
      ["N", 7, 2],
      ["N", 3, 7],
    ],
    attributes: { transA: 1, transB: 1 },
  },
};

describe("an operator that ONNX Runtime fused computes the same taken apart", () => {
  for (const [name, description] of Object.entries(FLOAT_CASES)) {
    it(name, async () => {
      const model = single({ ...description, domain: ms });
      expect(await difference(model)).toBeLessThan(3e-6);
      expectSettled(model);
    });
  }

  it("with a case for every operator of the table", () => {
    const tried = new Set(Object.values(FLOAT_CASES).map(({ opType }) => opType));
    expect(Object.keys(FUSED).filter((operator) => !tried.has(operator))).toEqual([]);
  });
});

describe("a model that ONNX Runtime optimized and wrote", () => {
  for (const [name, fused] of [
    ["cnn", "FusedConv"],
    ["mlp", "BiasGelu"],
  ] as const) {
    it(`computes the same as before: ${name} with its ${fused}`, async () => {
      const [original, optimized] = await Promise.all(
        ["17", "optimized"].map(async (kind) =>
          decodeModel(await readFile(new URL(`fixtures/${name}-${kind}.onnx`, import.meta.url)), name),
        ),
      );
      expect(operatorCounts(optimized!.graph)).toHaveProperty(fused);
      const normalized = normalizeModel(optimized!);
      const inputs = inputsOf(original!);
      const [before, after] = [await outputsOf(original!, inputs), await outputsOf(normalized, inputs)];
      expect(after.y!.dims).toEqual(before.y!.dims);
      for (const [at, value] of before.y!.data.entries()) expect(after.y!.data[at]).toBeCloseTo(Number(value), 6);
      expectSettled(optimized!);
    });
  }
});

type CodeType = "uint8" | "int8";
const codes = (type: CodeType, dims: readonly number[], limit = 60): Tensor => {
  const length = dims.reduce((product, dim) => product * dim, 1);
  const data = Array.from({ length }, () => Math.round((next() * 2 - 1) * limit) + (type === "uint8" ? 128 : 0));
  return tensor(type, dims, type === "uint8" ? Uint8Array.from(data) : Int8Array.from(data));
};
const zero = (type: CodeType, value: number): Tensor =>
  tensor(type, [], type === "uint8" ? Uint8Array.of(value) : Int8Array.of(value));
const scale = (value: number): Tensor => scalar("float32", value);

/** A quantized activation: the graph quantizes its float input with the scale and zero point that follow. */
interface Activation {
  shape: readonly Dim[];
  scale: number;
  zeroPoint: number;
}
const activation = (shape: readonly Dim[], scale = 0.025, zeroPoint = 10): Activation => ({ shape, scale, zeroPoint });

interface QuantizedCase {
  opType: string;
  domain?: string;
  /** Activations stand for three operands each. */
  operands: readonly (Tensor | Activation | "")[];
  attributes?: Record<string, Attribute>;
  /** Of QGemm, which may also end in float. */
  floatResult?: boolean;
  /** The integer operator that ONNX Runtime makes of it again. */
  fused?: string;
}

/** Float in, QuantizeLinear, the integer operator, DequantizeLinear (at any scale that shows each code), float out. */
function quantizedModel(
  { opType, domain = ms, operands, attributes = {}, floatResult }: QuantizedCase,
  type: CodeType,
): Model {
  const b = new GraphBuilder();
  const shift = type === "int8" ? 128 : 0;
  const inputs = operands.flatMap((operand, at): string[] => {
    if (operand === "") return [""];
    if ("data" in operand) return [b.constant(`constant_${at}`, operand)];
    const x = b.input(`x_${at}`, "float32", operand.shape);
    const [s, z] = [
      b.constant(`scale_${at}`, scale(operand.scale)),
      b.constant(`zero_${at}`, zero(type, operand.zeroPoint + 118 - shift)),
    ];
    return [b.add("QuantizeLinear", [x, s, z]), s, z];
  });
  const node: Node = { name: "layer", opType, domain, inputs, outputs: ["result"], attributes };
  b.adopt(node);
  const result = floatResult ? "result" : b.add("DequantizeLinear", ["result", b.constant("one", scale(1))]);
  b.output(result);
  return { graph: b.build("quantized"), opset: 17, domains: { [ms]: 1 }, irVersion: 8, metadata: {} };
}

const output = (type: CodeType, value = 0.03, zeroPoint = 120): [Tensor, Tensor] => [
  scale(value),
  zero(type, zeroPoint - (type === "int8" ? 128 : 0)),
];

const quantizedCases = (type: CodeType): Readonly<Record<string, QuantizedCase>> => ({
  "QLinearConv per channel": {
    opType: "QLinearConv",
    domain: "",
    operands: [
      activation(image),
      codes("int8", [5, 4, 3, 3]),
      float32([5], [0.01, 0.02, 0.005, 0.013, 0.007]),
      tensor("int8", [5], new Int8Array(5)),
      ...output(type, 0.05),
      int32([5], [100, -2000, 30, 4000, 0]),
    ],
    attributes: { strides: { kind: "ints", value: [2, 1] }, pads: { kind: "ints", value: [1, 1, 1, 1] } },
    fused: "QLinearConv",
  },
  "QLinearConv per tensor, grouped, without a bias": {
    opType: "QLinearConv",
    domain: "",
    operands: [activation(image), codes("int8", [4, 1, 3, 3]), scale(0.02), zero("int8", 0), ...output(type, 0.04)],
    attributes: { group: { kind: "int", value: 4 } },
    fused: "QLinearConv",
  },
  QLinearMatMul: {
    opType: "QLinearMatMul",
    domain: "",
    operands: [activation(["N", 5, 8]), codes("int8", [8, 6]), scale(0.01), zero("int8", 0), ...output(type)],
    fused: "QLinearMatMul",
  },
  "QLinearMatMul of two activations": {
    opType: "QLinearMatMul",
    domain: "",
    operands: [activation(["N", 5, 8]), activation(["N", 8, 6], 0.02, 0), ...output(type, 0.1)],
    fused: "QLinearMatMul",
  },
  "QLinearMatMul per column": {
    opType: "QLinearMatMul",
    domain: "",
    operands: [
      activation(["N", 8]),
      codes("int8", [8, 3]),
      float32([3], [0.01, 0.02, 0.03]),
      tensor("int8", [3], new Int8Array(3)),
      ...output(type),
    ],
    fused: "QLinearMatMul",
  },
  QGemm: {
    opType: "QGemm",
    operands: [
      activation(["N", 8]),
      codes("int8", [3, 8]),
      float32([3], [0.01, 0.02, 0.03]),
      tensor("int8", [3], new Int8Array(3)),
      int32([3], [500, -700, 0]),
      ...output(type),
    ],
    attributes: { transB: { kind: "int", value: 1 } },
    fused: "QGemm",
  },
  "QGemm into float": {
    opType: "QGemm",
    operands: [activation(["N", 8]), codes("int8", [8, 3]), scale(0.01), zero("int8", 0), int32([3], [500, -700, 0])],
    floatResult: true,
    fused: "QGemm",
  },
  QLinearAdd: {
    opType: "QLinearAdd",
    operands: [activation(image), activation(image, 0.02, 3), ...output(type, 0.04)],
    fused: "QLinearAdd",
  },
  "QLinearAdd of a constant": {
    opType: "QLinearAdd",
    operands: [
      activation(image),
      codes(type, [8]),
      scale(0.02),
      zero(type, type === "int8" ? 1 : 129),
      ...output(type, 0.04),
    ],
    fused: "QLinearAdd",
  },
  QLinearMul: {
    opType: "QLinearMul",
    operands: [activation(image), activation(image, 0.02, 3), ...output(type, 0.07)],
    fused: "QLinearMul",
  },
  QLinearSigmoid: {
    opType: "QLinearSigmoid",
    operands: [activation(image), ...output(type, 1 / 256, 0)],
    fused: "QLinearSigmoid",
  },
  QLinearLeakyRelu: {
    opType: "QLinearLeakyRelu",
    operands: [activation(image), ...output(type, 0.02, 50)],
    attributes: { alpha: { kind: "float", value: 0.3 } },
    fused: "QLinearLeakyRelu",
  },
  QLinearSoftmax: {
    opType: "QLinearSoftmax",
    operands: [activation(["N", 7]), ...output(type, 1 / 256, 0)],
    attributes: { axis: { kind: "int", value: 1 }, opset: { kind: "int", value: 13 } },
    fused: "QLinearSoftmax",
  },
  "QLinearSoftmax of an old opset": {
    opType: "QLinearSoftmax",
    operands: [activation(["N", 7, 1, 1]), ...output(type, 1 / 256, 0)],
    attributes: { axis: { kind: "int", value: 1 }, opset: { kind: "int", value: 11 } },
  },
  QLinearGlobalAveragePool: {
    opType: "QLinearGlobalAveragePool",
    operands: [activation(image), ...output(type, 0.01)],
    attributes: { channels_last: { kind: "int", value: 0 } },
    fused: "QLinearGlobalAveragePool",
  },
  QLinearAveragePool: {
    opType: "QLinearAveragePool",
    operands: [activation(image), ...output(type, 0.02)],
    attributes: { kernel_shape: { kind: "ints", value: [2, 2] }, strides: { kind: "ints", value: [2, 2] } },
    fused: "QLinearAveragePool",
  },
  QLinearConcat: {
    opType: "QLinearConcat",
    operands: [...output(type, 0.03), activation(image), activation(image, 0.02, 3)],
    attributes: { axis: { kind: "int", value: 1 } },
    fused: "QLinearConcat",
  },
  QLinearWhere: {
    opType: "QLinearWhere",
    operands: [
      tensor("bool", [8], Uint8Array.of(1, 0, 1, 1, 0, 0, 1, 0)),
      activation(image),
      activation(image, 0.02, 3),
      ...output(type, 0.03),
    ],
    fused: "QLinearWhere",
  },
  "QuantizeLinear and DequantizeLinear of com.microsoft": {
    opType: "DequantizeLinear",
    operands: [activation(image)],
    floatResult: true,
  },
});

/**
 * These kernels add the zero point before they round, in float32: a number half way between two codes may fall either way once
 * int8 has become uint8 and the zero point is another.
 */
const ONE_CODE = new Set(["int8 QLinearMul", "int8 QLinearAveragePool"]);

for (const type of ["uint8", "int8"] as const) {
  describe(`an operator on ${type} gives the same codes as QDQ`, () => {
    for (const [name, description] of Object.entries(quantizedCases(type))) {
      it(name, async () => {
        const model = quantizedModel(description, type);
        expect(await difference(model)).toBeLessThanOrEqual(ONE_CODE.has(`${type} ${name}`) ? 1 : 0);
        if (description.fused) expect(await executed(normalizeModel(model))).toHaveProperty(description.fused);
        expectSettled(model);
      });
    }
  });
}

it("QLinearReduceMean, which ONNX Runtime's CPU has no kernel for, gives the quantized mean", async () => {
  const model = quantizedModel(
    {
      opType: "QLinearReduceMean",
      operands: [activation(["N", 2, 5], 0.5, 0), ...output("uint8", 0.25)],
      attributes: { axes: { kind: "ints", value: [2] }, keepdims: { kind: "int", value: 0 } },
    },
    "uint8",
  );
  const x = float32([1, 2, 5], [1, 2, 3, 4, 5, -1, 0.5, 0, 0, 0]);
  const { [model.graph.outputs[0]!.name]: means } = await outputsOf(normalizeModel(model), { x_0: x });
  expect(means!.dims).toEqual([1, 2]);
  expect([...means!.data]).toEqual([120 + 3 / 0.25, 120]);
});

it("there is a case for every QOperator", () => {
  const tried = new Set(Object.values(quantizedCases("uint8")).map(({ opType }) => opType));
  const operators = new Set([...Object.keys(QUANTIZED), ...Object.keys(CONTRIB_QUANTIZED)]);
  const elsewhere = ["QuantizeLinear", "QLinearReduceMean"]; // one row with DequantizeLinear; above
  expect([...operators].filter((operator) => !tried.has(operator))).toEqual(elsewhere);
});
