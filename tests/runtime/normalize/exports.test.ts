import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { attribute } from "../../../runtime/onnx/attributes.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { toyModel } from "../toy.ts";
import { difference, executed, expectSettled, operatorCounts } from "./compare.ts";

const fixture = async (name: string) =>
  decodeModel(await readFile(new URL(`fixtures/${name}.onnx`, import.meta.url)), name);

describe("PyTorch's exports", () => {
  for (const name of ["cnn-9", "cnn-11", "cnn-13", "cnn-17", "mlp-17"]) {
    it(`${name} computes the same to the bit, and settles`, async () => {
      const model = await fixture(name);
      expect(await difference(model)).toBe(0);
      expectSettled(model);
    });
  }
});

describe("a model that PyTorch quantized", () => {
  it("loses its casts, fuses, and computes the same to the bit", async () => {
    const model = await fixture("cnn-torch-int8");
    expect(await difference(model)).toBe(0);
    expectSettled(model);
    expect(operatorCounts(model.graph)).toMatchObject({ Cast: 12, ConstantOfShape: 4, Constant: 52 });
    const normalized = normalizeModel(model);
    for (const gone of ["Cast", "ConstantOfShape", "Constant"])
      expect(operatorCounts(normalized.graph)).not.toHaveProperty(gone);
    expect(await executed(normalized)).toMatchObject({ QLinearConv: 3, QLinearAdd: 1, QGemm: 1 });
  });
});

describe("models of ONNX Runtime's quantizer", () => {
  /** Integer operators that ONNX Runtime makes of the normalized model. */
  const cnn = { QLinearConv: 4, QLinearAdd: 1, QLinearConcat: 1, QGemm: 1, QLinearSoftmax: 1 };
  const mlp = { QLinearMatMul: 2, QLinearAdd: 4, QLinearMul: 2, QGemm: 1 };
  for (const [name, integer] of [
    ["cnn-qoperator-u8s8", cnn],
    ["cnn-qoperator-u8u8", cnn],
    // ONNX Runtime alone leaves one convolution and the sum of this one in float: symmetric activations do not clip like a Relu6.
    ["cnn-qdq-s8s8", cnn],
    ["cnn-qdq-u8u8", cnn],
    ["mlp-qoperator-u8s8", mlp],
    ["mlp-qoperator-u8u8", mlp],
    ["mlp-qdq-s8s8", mlp],
    ["mlp-qdq-u8u8", mlp],
  ] as const) {
    it(`${name} computes the same to the bit, in integers throughout, and settles`, async () => {
      const model = await fixture(name);
      expect(await difference(model)).toBe(0);
      expectSettled(model);
      const operators = await executed(normalizeModel(model));
      expect(operators).toMatchObject(integer);
      for (const float of ["Conv", "Gemm", "MatMul", "Add", "Concat"]) expect(operators).not.toHaveProperty(float);
    });

    it(`${name} has its layers in one form`, async () => {
      const { graph } = normalizeModel(await fixture(name));
      const dequantizers = new Map(
        graph.nodes.filter(({ opType }) => opType === "DequantizeLinear").map((node) => [node.outputs[0]!, node]),
      );
      const layers = graph.nodes.filter(({ opType }) => ["Conv", "Gemm", "MatMul"].includes(opType));
      expect(layers.length).toBe(name.startsWith("cnn") ? 5 : 3);
      for (const layer of layers) {
        const [x, w, b] = layer.inputs.map((input) =>
          dequantizers.get(input)!.inputs.map((operand) => graph.initializers.get(operand)!),
        );
        const axis = { Conv: 0, Gemm: attribute(layer, "transB", "int", 0) ? 0 : 1, MatMul: 1 }[layer.opType]!;
        const channels = w![0]!.dims[axis]!;
        expect(w![2]!.data.every((value: number | bigint) => value === 0)).toBe(true);
        expect(w!.map(({ type, dims }) => `${type} ${dims}`)).toEqual([
          `int8 ${w![0]!.dims}`,
          `float32 ${channels}`,
          `int8 ${channels}`,
        ]);
        expect([x![2]!.type, x![1]!.dims, x![2]!.dims]).toEqual(["uint8", [], []]);
        if (layer.opType === "MatMul") continue;
        expect(b!.map(({ type, dims }) => `${type} ${dims}`)).toEqual([
          `int32 ${channels}`,
          `float32 ${channels}`,
          `int32 ${channels}`,
        ]);
        const product = Array.from(w![1]!.data as Float32Array, (scale) =>
          Math.fround(scale * (x![1]!.data[0] as number)),
        );
        expect([...(b![1]!.data as Float32Array)]).toEqual(product);
      }
    });
  }
});

describe("the engine", () => {
  it.each([
    ["cnn-9", 0],
    ["cnn-17", 0],
    ["cnn-optimized", 0],
    ["cnn-torch-int8", 4],
    ["cnn-qoperator-u8s8", 5],
    ["cnn-qdq-s8s8", 5],
    ["mlp-qoperator-u8u8", 3],
    ["mlp-qdq-s8s8", 3],
  ])("finds in %s %i integer layers", async (name, integer) => {
    const { layers } = prepareBase(await fixture(name));
    expect(layers.filter((layer) => layer.integer).length).toBe(integer);
    const weighted = layers.filter(({ node }) => ["Conv", "Gemm", "MatMul"].includes(node.opType));
    expect(weighted.length).toBe(integer || (name.startsWith("cnn") ? 5 : 3));
  });
});

describe("models in the one form", () => {
  it("stay as they are", () => {
    const model = toyModel({ seed: 4 });
    expect(normalizeModel(model).graph).toEqual(model.graph);
  });
});
