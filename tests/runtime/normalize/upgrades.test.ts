import { describe, expect, it } from "vitest";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { UPGRADES } from "../../../runtime/normalize/upgrades/index.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { float32, int64, scalar, tensor } from "../../../runtime/onnx/tensor.ts";
import { difference, expectSettled, operatorCounts } from "./compare.ts";
import { type Single, single } from "./single.ts";

const image = ["N", 4, 6, 8];
const channel = (...values: number[]) => float32([4], values);

const reduction = (opType: string, axes: Single["attributes"] = { axes: [1, -1] }): Single => ({
  opset: 11,
  opType,
  operands: [image],
  attributes: { keepdims: 0, ...axes },
});

const CASES: Readonly<Record<string, Single>> = {
  "Clip with both bounds": {
    opset: 9,
    opType: "Clip",
    operands: [image],
    attributes: { min: { float: -0.5 }, max: { float: 1.5 } },
  },
  "Clip with one bound": { opset: 7, opType: "Clip", operands: [image], attributes: { max: { float: 1.5 } } },
  "Clip without bounds": { opset: 7, opType: "Clip", operands: [image] },
  "ReduceMean over axes": reduction("ReduceMean"),
  "ReduceMean over all axes": reduction("ReduceMean", {}),
  "ReduceMean of opset 13": { ...reduction("ReduceMean"), opset: 13 },
  "ReduceSum over axes": reduction("ReduceSum"),
  "ReduceMax over axes": reduction("ReduceMax"),
  "ReduceMin over axes": reduction("ReduceMin"),
  "ReduceL1 over axes": reduction("ReduceL1"),
  "ReduceL2 over axes": reduction("ReduceL2"),
  "ReduceLogSumExp over axes": reduction("ReduceLogSumExp"),
  "ReduceProd over axes": reduction("ReduceProd"),
  "ReduceSumSquare over axes": reduction("ReduceSumSquare"),
  "ReduceSum of opset 13, which has its operand already": {
    opset: 13,
    opType: "ReduceSum",
    operands: [image, int64([1])],
  },
  Squeeze: { opset: 11, opType: "Squeeze", operands: [["N", 1, 5, 1]], attributes: { axes: [1, 3] } },
  "Squeeze of all ones": { opset: 11, opType: "Squeeze", operands: [["N", 1, 5, 1]] },
  Unsqueeze: { opset: 11, opType: "Unsqueeze", operands: [["N", 5]], attributes: { axes: [1, 3] } },
  "Slice with axes": {
    opset: 9,
    opType: "Slice",
    operands: [image],
    attributes: { axes: [2, 3], starts: [1, -3], ends: [1000, -1] },
  },
  "Slice without axes": { opset: 7, opType: "Slice", operands: [image], attributes: { starts: [0, 1], ends: [2, 3] } },
  "Pad with a constant": {
    opset: 10,
    opType: "Pad",
    operands: [image],
    attributes: { pads: [0, 0, 1, 2, 0, 0, 3, 0], value: { float: 0.5 } },
  },
  "Pad by reflection": {
    opset: 9,
    opType: "Pad",
    operands: [image],
    attributes: { mode: "reflect", pads: [0, 0, 1, 2, 0, 0, 3, 0] },
  },
  "Split in given parts": {
    opset: 11,
    opType: "Split",
    operands: [image],
    attributes: { axis: 1, split: [1, 3] },
    outputs: 2,
    results: 2,
  },
  "Split in equal parts, opset 7": {
    opset: 7,
    opType: "Split",
    operands: [image],
    attributes: { axis: 3 },
    outputs: 4,
    results: 4,
  },
  "Split in equal parts, opset 13": {
    opset: 13,
    opType: "Split",
    operands: [image],
    attributes: { axis: 3 },
    outputs: 2,
    results: 2,
  },
  "Softmax of a matrix": { opset: 9, opType: "Softmax", operands: [["N", 7]] },
  "Softmax with ones behind": { opset: 9, opType: "Softmax", operands: [["N", 7, 1, 1]] },
  "Softmax with ones before": { opset: 9, opType: "Softmax", operands: [["N", 1, 1, 7]] },
  "Softmax over several axes": { opset: 9, opType: "Softmax", operands: [image] },
  "Softmax from axis 2 of 4": { opset: 11, opType: "Softmax", operands: [image], attributes: { axis: 2 } },
  "Softmax from axis -2": { opset: 11, opType: "Softmax", operands: [image], attributes: { axis: -2 } },
  "Softmax along the last axis": { opset: 11, opType: "Softmax", operands: [image], attributes: { axis: -1 } },
  "Softmax over axes of unknown sizes": {
    opset: 9,
    opType: "Softmax",
    operands: [["N", "H", "W"]],
  },
  "LogSoftmax over several axes": { opset: 9, opType: "LogSoftmax", operands: [image] },
  "Hardmax over several axes": { opset: 9, opType: "Hardmax", operands: [image] },
  "BatchNormalization of opset 7": {
    opset: 7,
    opType: "BatchNormalization",
    operands: [image, channel(1, 2, 0.5, -1), channel(0, 1, 2, 3), channel(0.1, 0.2, -0.3, 0), channel(1, 2, 3, 0.5)],
    attributes: { epsilon: { float: 1e-3 }, momentum: { float: 0.8 }, spatial: 1 },
  },
  "BatchNormalization of opset 13": {
    opset: 13,
    opType: "BatchNormalization",
    operands: [image, channel(1, 2, 0.5, -1), channel(0, 1, 2, 3), channel(0.1, 0.2, -0.3, 0), channel(1, 2, 3, 0.5)],
  },
  "Dropout of opset 7": { opset: 7, opType: "Dropout", operands: [image], attributes: { ratio: { float: 0.4 } } },
  "Dropout of opset 12": { opset: 12, opType: "Dropout", operands: [image, scalar("float32", 0.4)], outputs: 2 },
  "Upsample of opset 7": {
    opset: 7,
    opType: "Upsample",
    operands: [image],
    attributes: { scales: { floats: [1, 1, 2, 3] } },
  },
  "Upsample of opset 9": { opset: 9, opType: "Upsample", operands: [image, channel(1, 1, 2, 1.5)] },
  "linear Upsample": {
    opset: 9,
    opType: "Upsample",
    operands: [image, channel(1, 1, 2, 2)],
    attributes: { mode: "linear" },
  },
  "Resize of opset 10, larger": { opset: 10, opType: "Resize", operands: [image, channel(1, 1, 2.3, 1.7)] },
  "Resize of opset 10, smaller": { opset: 10, opType: "Resize", operands: [image, channel(1, 1, 0.6, 0.7)] },
  "linear Resize of opset 10": {
    opset: 10,
    opType: "Resize",
    operands: [image, channel(1, 1, 0.6, 1.7)],
    attributes: { mode: "linear" },
  },
  "Resize of opset 11 with empty operands": {
    opset: 11,
    opType: "Resize",
    operands: [image, float32([0], []), float32([0], []), tensor("int64", [4], BigInt64Array.of(3n, 4n, 9n, 5n))],
    attributes: { mode: "linear", coordinate_transformation_mode: "pytorch_half_pixel" },
  },
  "Resize of opset 11 by scales": {
    opset: 11,
    opType: "Resize",
    operands: [image, float32([0], []), channel(1, 1, 2, 0.5)],
    attributes: { nearest_mode: "floor", coordinate_transformation_mode: "asymmetric" },
  },
  Scatter: {
    opset: 9,
    opType: "Scatter",
    operands: [[3, 3], tensor("int64", [1, 2], BigInt64Array.of(1n, 2n)), float32([1, 2], [9, 8])],
    attributes: { axis: 1 },
  },
  TopK: { opset: 9, opType: "TopK", operands: [image], attributes: { k: 2, axis: 3 }, outputs: 2, results: 2 },
  RoiAlign: {
    opset: 10,
    opType: "RoiAlign",
    operands: [["N", 2, 6, 6], float32([1, 4], [0.5, 0.5, 4, 5]), tensor("int64", [1], BigInt64Array.of(1n))],
    attributes: { output_height: 2, output_width: 3, sampling_ratio: 2 },
  },
  GridSample: {
    opset: 16,
    opType: "GridSample",
    operands: [
      ["N", 2, 6, 6],
      ["N", 3, 4, 2],
    ],
    attributes: { mode: "bicubic" },
  },
  "Gemm of opset 7": { opset: 7, opType: "Gemm", operands: [["N", 4], [4, 3], float32([3], [1, 2, 3])] },
  "PRelu of opset 7": { opset: 7, opType: "PRelu", operands: [image, float32([4, 1, 1], [0.1, 0.2, 0.3, 0.4])] },
  "MaxPool of opset 8": {
    opset: 8,
    opType: "MaxPool",
    operands: [image],
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  },
  "AveragePool of opset 7": {
    opset: 7,
    opType: "AveragePool",
    operands: [image],
    attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 },
  },
  "Cast of opset 24": { opset: 24, opType: "Cast", operands: [image], attributes: { to: 11, round_mode: "up" } },
  Swish: { opset: 24, opType: "Swish", operands: [image], attributes: { alpha: { float: 1.5 } } },
  "Swish with its default": { opset: 24, opType: "Swish", operands: [image] },
  RMSNormalization: {
    opset: 23,
    opType: "RMSNormalization",
    operands: [["N", 3, 5], float32([5], [1, 2, 3, 4, 5])],
  },
  SimplifiedLayerNormalization: {
    opset: 17,
    opType: "SimplifiedLayerNormalization",
    operands: [["N", 3, 5], float32([5], [1, 2, 3, 4, 5])],
  },
  "RMSNormalization over two axes": {
    opset: 23,
    opType: "RMSNormalization",
    operands: [
      ["N", 3, 5],
      float32(
        [3, 5],
        Array.from({ length: 15 }, (_, at) => at / 5),
      ),
    ],
    attributes: { axis: 1, epsilon: { float: 0.01 } },
  },
};

/** Where ONNX Runtime computes in another order: AveragePool has another kernel since 19, RMSNormalization is one kernel. */
const OTHER_KERNELS: Readonly<Record<string, number>> = {
  "AveragePool of opset 7": 1e-6,
  RMSNormalization: 1e-6,
  SimplifiedLayerNormalization: 1e-6,
  "RMSNormalization over two axes": 1e-6,
};

describe("an upgraded operator computes what the old one did", () => {
  for (const [name, description] of Object.entries(CASES)) {
    it(name, async () => {
      const model = single(description);
      expect(await difference(model)).toBeLessThanOrEqual(OTHER_KERNELS[name] ?? 0);
      expectSettled(model);
    });
  }

  it("with a case for every operator of the table that is not refused", () => {
    const refused = [
      "Attention",
      "ConvInteger",
      "DynamicQuantizeLinear",
      "GroupNormalization",
      "MatMulInteger",
      "RotaryEmbedding",
      "Scan",
      "TensorScatter",
    ];
    const quantizers = ["QuantizeLinear", "DequantizeLinear"]; // in quantizers.test.ts
    const tried = new Set(Object.values(CASES).map(({ opType }) => opType));
    const missing = Object.keys(UPGRADES).filter((op) => ![...refused, ...quantizers].includes(op) && !tried.has(op));
    expect(missing).toEqual(["ReduceLogSum"]); // noise has no logarithm; one row with ReduceLogSumExp
  });
});

describe("an old Softmax", () => {
  it("stays one operator where one axis is all that it normalizes", () => {
    const operators = (shape: (string | number)[]) =>
      operatorCounts(normalizeModel(single({ opset: 9, opType: "Softmax", operands: [shape] })).graph);
    expect(operators(["N", 7])).toEqual({ Softmax: 1 });
    expect(operators(["N", 7, 1, 1])).toEqual({ Softmax: 1 });
    expect(operators(["N", 7, 2])).toEqual({ Flatten: 1, Softmax: 1, Reshape: 1 });
  });
});

describe("constants", () => {
  it("come out of Constant nodes and through Identity", async () => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", ["N", 2]);
    const shift = b.add("Identity", [b.add("Constant", [], { value: float32([2], [1, 2]) })]);
    const factor = b.add("Identity", [b.add("Constant", [], { value_float: { float: 3 } })]);
    const shape = b.add("Constant", [], { value_ints: [0, 1, 2] });
    const axis = b.add("Constant", [], { value_int: 1 });
    const y = b.add("Reshape", [b.add("Mul", [b.add("Add", [x, shift]), factor]), shape]);
    b.output(b.add("Identity", [b.add("Gather", [y, axis], { axis: 2 })], {}, "y"));
    const model: Model = { ...asModel(b.build("constants")), opset: 13 };
    expect(await difference(model)).toBe(0);
    expect(operatorCounts(normalizeModel(model).graph)).toEqual({ Add: 1, Mul: 1, Reshape: 1, Gather: 1, Identity: 1 });
    expectSettled(model);
  });
});

describe("subgraphs", () => {
  it("are upgraded too, with names that both branches of an If use, and constants of the graph around", async () => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", ["N", 2, 1]);
    const outer = b.add("Constant", [], { value: float32([], [0.25]) });
    const branch = (bound: number) => {
      const body = new GraphBuilder();
      const inner = body.constant("inner", float32([1], [bound]));
      const squeezed = body.add("Squeeze", [x], { axes: [2] }, "squeezed");
      const clipped = body.add("Clip", [squeezed, "", outer], {}, "clipped");
      body.output(body.add("Add", [clipped, inner], {}, "result"), { type: "float32", shape: ["N", 2] });
      return body.build("branch");
    };
    const sum = b.add("ReduceSum", [x], { keepdims: 0 });
    const condition = b.add("Greater", [sum, b.constant("zero", scalar("float32", 0))]);
    b.output(b.add("If", [condition], { then_branch: branch(1), else_branch: branch(2) }, "y"));
    const model: Model = { ...asModel(b.build("branches")), opset: 11 };
    for (const value of [1, -1]) {
      const x = float32([1, 2, 1], [value, value / 10]);
      expect(await difference(model, { x })).toBe(0);
    }
    expectSettled(model);
  });
});
