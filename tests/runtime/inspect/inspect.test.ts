import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inspectModel } from "../../../runtime/inspect/inspect.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import { ModelProtoSchema, TensorProto_DataLocation } from "../../../runtime/onnx/generated/onnx_pb.ts";
import type { Graph } from "../../../runtime/onnx/graph.ts";
import { float32, tensor } from "../../../runtime/onnx/tensor.ts";
import { noise, random, TOY, toyModel } from "../toy.ts";

const inspect = (graph: Graph, domains: Record<string, number> = {}) =>
  inspectModel(encodeModel({ ...asModel(graph), domains }), "a model");

const next = random(1);

describe("a quantized model", () => {
  const found = inspectModel(encodeModel(toyModel()), "toy");
  const { channels, embedding: width, classes } = TOY;

  it("is described as its file declares it", () => {
    expect(found.opsets).toEqual({ "ai.onnx": 21 });
    expect(found.inputs).toEqual([{ name: "features", type: "float32", shape: ["N", 2, 9, 8] }]);
    expect(found.operators).toMatchObject({ Conv: 3, Gemm: 1, Add: 1, GlobalAveragePool: 1 });
    expect(found.problems).toEqual([]);
  });

  it("counts weights and biases, not scales", () => {
    const wanted = [width * channels * 9 + width, width * 9 + width, width * width + width, classes * width + classes];
    expect(found.layers.map(({ parameters }) => parameters)).toEqual(wanted);
    expect(found.parameters).toBe(wanted.reduce((sum, parameters) => sum + parameters));
    expect(found.weightBytes).toBeGreaterThan(found.parameters);
  });

  it("runs in integers, wherever it multiplies", () => {
    expect(Object.keys(found.precision)).toEqual(["int8"]);
    expect(found.layers.map(({ name }) => name)).toEqual(["stem", "depthwise", "pointwise", "head"]);
    expect(found.layers[0]).toMatchObject({ operator: "Conv", outputShape: ["N", width, 5, 4] });
    expect(found.multiplyAccumulates).toBe(found.precision.int8!.multiplyAccumulates);
  });

  it("says what each method would train", () => {
    expect(found.methods.find(({ method }) => method === "head")).toEqual({
      method: "head",
      trains: true,
      layers: 1,
      trainableParameters: classes * width + classes,
    });
    expect(found.withoutGradient).toEqual([]);
  });
});

describe("a model that Lichen cannot train", () => {
  it("is described all the same, up to where shapes are known, and beyond", () => {
    const b = new GraphBuilder();
    b.input("x", "float32", ["N", 3, 8, 8]);
    const first = b.add("Conv", ["x", b.constant("w", noise([4, 3, 3, 3], next))], {}, "first");
    b.adopt({ name: "odd", opType: "Sparkle", domain: "acme", inputs: [first], outputs: ["y"], attributes: {} });
    b.output(b.add("Conv", ["y", b.constant("v", noise([2, 4, 1, 1], next))], {}, "second"));
    const found = inspect(b.build("foreign"), { acme: 3 });
    expect(found.opsets).toEqual({ "ai.onnx": 21, acme: 3 });
    expect(found.operators).toEqual({ Conv: 2, "acme.Sparkle": 1 });
    expect(found.layers).toMatchObject([
      { name: "first", precision: "float32", parameters: 108, outputShape: ["N", 4, 6, 6], multiplyAccumulates: 3888 },
      { name: "second", precision: "float32", parameters: 8, outputShape: null, multiplyAccumulates: null },
    ]);
    expect(found.multiplyAccumulates).toBeNull();
    expect(found.parameters).toBe(116);
    expect(found.withoutGradient).toContainEqual({ operator: "acme.Sparkle", nodes: 1 });
    expect(found.problems).toMatchObject([{ code: "UNSUPPORTED_OPERATOR" }]);
    expect(found.methods.every(({ trains }) => !trains)).toBe(true);
  });

  it("may hold its weights in half precision, or outside the file", () => {
    const name = "w";
    const proto = create(ModelProtoSchema, {
      irVersion: 8n,
      producerName: "test",
      opsetImport: [{ domain: "", version: 17n }],
      graph: {
        node: [{ opType: "Gemm", input: ["x", "w"], output: ["y"] }],
        initializer: [{ name, dims: [6n, 5n], dataType: 10, dataLocation: TensorProto_DataLocation.EXTERNAL }],
        input: [{ name: "x", type: { value: { case: "tensorType", value: { elemType: 10 } } } }],
        output: [{ name: "y" }],
      },
    });
    const found = inspectModel(toBinary(ModelProtoSchema, proto), "half");
    expect(found).toMatchObject({
      irVersion: 8,
      producer: "test",
      inputs: [{ name: "x", type: "float16", shape: null }],
      parameters: 30,
      weightBytes: 60,
      layers: [{ name: "Gemm_0", precision: "float16", parameters: 30, multiplyAccumulates: null }],
      problems: [{ code: "UNSUPPORTED_OPERATOR" }],
    });
  });
});

it("reads an old opset as it was meant, and not at all where nobody can", () => {
  // Before opset 18 a mean took its axes as an attribute; today's rule would find none, and take the mean of everything.
  const b = new GraphBuilder();
  b.input("x", "float32", ["N", 6, 4]);
  const pooled = b.add("ReduceMean", ["x"], { axes: [1], keepdims: 0 });
  b.output(b.add("MatMul", [pooled, b.constant("w", noise([4, 3], next))], {}, "head"));
  const old = (graph: Graph) => inspectModel(encodeModel({ ...asModel(graph), opset: 13 }), "old");
  expect(old(b.build("old")).layers).toMatchObject([{ outputShape: ["N", 3], multiplyAccumulates: 12 }]);
  b.adopt({ name: "odd", opType: "Sparkle", domain: "acme", inputs: ["x"], outputs: ["y"], attributes: {} });
  b.output("y");
  expect(old(b.build("odd")).layers).toMatchObject([{ outputShape: null, multiplyAccumulates: null }]);
});

it("tells integer execution from integers that only save memory", () => {
  const b = new GraphBuilder();
  b.input("x", "float32", ["N", 4]);
  const scale = b.constant("scale", float32([], [0.1]));
  const weight = (name: string) =>
    b.add("DequantizeLinear", [b.constant(name, tensor("int8", [4, 4], new Int8Array(16))), scale]);
  const real = b.add("MatMul", ["x", weight("w")], {}, "stored");
  const quantized = b.add("DequantizeLinear", [b.add("QuantizeLinear", [real, scale]), scale]);
  const computed = b.add("MatMul", [quantized, weight("v")], {}, "computed");
  b.output(b.add("Add", [computed, b.constant("bias", noise([4], next))], {}, "real"));
  const layers = inspect(b.build("mixed")).layers.map(({ name, precision }) => [name, precision]);
  expect(layers).toEqual([
    ["stored", "int8 weights"],
    ["computed", "int8"],
    ["real", "float32"],
  ]);
});

it("counts a weight that two layers share once, and arithmetic not at all", () => {
  const b = new GraphBuilder();
  b.input("x", "float32", ["N", 4]);
  const shared = b.constant("w", noise([4, 4], next));
  const half = b.add("Mul", [b.add("MatMul", ["x", shared]), b.constant("half", float32([], [0.5]))]);
  b.output(b.add("MatMul", [half, b.add("Transpose", [shared], { perm: [1, 0] })]));
  const found = inspect(b.build("tied"));
  expect(found.parameters).toBe(16);
  expect(found.layers.map(({ operator, parameters }) => [operator, parameters])).toEqual([
    ["MatMul", 16],
    ["MatMul", 16],
  ]);
  expect(found.multiplyAccumulates).toBe(32);
});

it("reads any bytes, or refuses them with a code", () => {
  expect(() => inspectModel(new Uint8Array(), "empty")).toThrow(/^MODEL_CORRUPT: .*empty/);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        inspectModel(bytes, "noise");
      } catch (error) {
        expect((error as Error).message).toMatch(/^MODEL_CORRUPT/);
      }
    }),
  );
});
