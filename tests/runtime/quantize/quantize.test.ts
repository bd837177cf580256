import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import type { Model, Node } from "../../../runtime/onnx/graph.ts";
import { float32, int64, type Tensor } from "../../../runtime/onnx/tensor.ts";
import { quantizeModel, quantizeWithReport } from "../../../runtime/quantize/index.ts";
import { seeded } from "../../../runtime/random/random.ts";

const random = seeded(3);
const noise = (dims: number[], scale = 1): Tensor<"float32"> => {
  const length = dims.reduce((product, dim) => product * dim, 1);
  return float32(
    dims,
    Array.from({ length }, () => (2 * random() - 1) * scale),
  );
};

/** Two convolutions, one of them without a Relu, one without a bias, a depthwise one; then pool and head, as all our bases are. */
function toy({ transB = 1 } = {}): Model {
  const b = new GraphBuilder();
  const x = b.input("features", "float32", ["N", 2, 9, 8]);
  const conv = (
    from: string,
    name: string,
    dims: number[],
    attributes: Record<string, number | number[]>,
    bias = true,
  ) =>
    b.add(
      "Conv",
      [
        from,
        b.constant(`${name}.weight`, noise(dims, 0.5)),
        ...(bias ? [b.constant(`${name}.bias`, noise([dims[0]!], 0.2))] : []),
      ],
      { kernel_shape: dims.slice(2), ...attributes },
      name,
    );
  const one = b.add("Relu", [conv(x, "conv1", [8, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] })], {}, "relu1");
  const two = b.add("Relu", [conv(one, "conv2", [8, 1, 3, 3], { group: 8, pads: [1, 1, 1, 1] }, false)], {}, "relu2");
  const three = conv(two, "conv3", [6, 8, 1, 1], {});
  const pooled = b.add("GlobalAveragePool", [three], {}, "pool");
  const flat = b.add("Flatten", [pooled], { axis: 1 }, "flat");
  const head = [b.constant("head.weight", noise(transB ? [4, 6] : [6, 4])), b.constant("head.bias", noise([4]))];
  b.output(b.add("Gemm", [flat, ...head], { transB }, "logits"), { type: "float32", shape: ["N", 4] });
  return asModel(b.build("toy"));
}

const samples = Array.from({ length: 8 }, () => noise([4, 2, 9, 8]));
const run = async (model: Model, features: Tensor) => {
  const session = await openSession(model);
  const { logits } = await session.run({ features });
  await session.close();
  return logits!.data as Float32Array;
};

const decibels = (signal: Float32Array, found: Float32Array) => {
  const energy = (values: Float32Array) => values.reduce((sum, value) => sum + value ** 2, 0);
  return 10 * Math.log10(energy(signal) / energy(signal.map((value, i) => value - found[i]!)));
};

describe("a quantized model", () => {
  const float = toy();
  let int8: Model;
  let folder: string;
  beforeAll(async () => {
    int8 = await quantizeModel(float, { samples });
    folder = await mkdtemp(join(tmpdir(), "lichen-quantize-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("computes what the float model computes, to 30 dB", async () => {
    const unseen = noise([16, 2, 9, 8]);
    expect(decibels(await run(float, unseen), await run(int8, unseen))).toBeGreaterThan(30);
  });

  it("is closer with 8-bit weights than with the 7 bits that all machines agree on", async () => {
    const full = await quantizeModel(float, { samples, reducedRange: false });
    const unseen = noise([64, 2, 9, 8]);
    const expected = await run(float, unseen);
    expect(decibels(expected, await run(full, unseen))).toBeGreaterThan(decibels(expected, await run(int8, unseen)));
    const largest = (model: Model) =>
      Math.max(
        ...[...model.graph.initializers].map(([name, { data }]) =>
          /weight_quantized$/.test(name) ? Math.max(...[...data].map((v) => Math.abs(Number(v)))) : 0,
        ),
      );
    expect([largest(int8), largest(full)]).toEqual([64, 127]);
  });

  it("is run by ONNX Runtime in integers alone: every Conv is a QLinearConv, the Gemm a QGemm", async () => {
    const path = join(folder, "optimized.onnx");
    await (await openSession(int8, { optimizedModelPath: path })).close();
    const operators = decodeModel(await readFile(path), path).graph.nodes.map(({ opType }) => opType);
    // Channels change places around the convolutions, and that is all.
    expect(operators.filter((operator) => operator !== "Transpose")).toEqual([
      ...["QuantizeLinear", "QLinearConv", "QLinearConv", "QLinearConv"],
      ...["QLinearGlobalAveragePool", "Flatten", "QGemm"],
    ]);
  });

  it("has biases at exactly float32(x scale · weight scale), and no bias missing", () => {
    const { nodes, initializers } = int8.graph;
    const producer = new Map(nodes.map((node) => [node.outputs[0]!, node]));
    const scale = (node: Node | undefined) => initializers.get(node!.inputs[1]!)!.data as Float32Array;
    const weighted = nodes.filter(({ opType }) => opType === "Conv" || opType === "Gemm");
    expect(weighted.length).toBe(4);
    for (const node of weighted) {
      const [x, weight, bias] = node.inputs.map((name) => producer.get(name));
      const xScale = scale(x)[0]!;
      expect([...scale(bias)]).toEqual([...scale(weight)].map((wScale) => Math.fround(xScale * wScale)));
    }
  });

  it("has no Relu left: the zero point is the clip", () => {
    const { nodes, initializers } = int8.graph;
    expect(nodes.some(({ opType }) => opType === "Relu")).toBe(false);
    expect(initializers.get("relu1_zero_point")!.data[0]).toBe(0);
    expect(initializers.get("conv3_zero_point")!.data[0]).toBeGreaterThan(0);
  });

  it("keeps its input, its logits in float, and one scale across Flatten", () => {
    const { inputs, outputs, nodes } = int8.graph;
    expect(inputs).toEqual(float.graph.inputs);
    expect(outputs).toEqual(float.graph.outputs);
    const quantizer = (name: string) => nodes.find(({ outputs: [output] }) => output === name)!;
    expect(quantizer("flat_q").inputs.slice(1)).toEqual(quantizer("pool_q").inputs.slice(1));
    expect(quantizer("features_q").inputs[0]).toBe("features");
    expect(nodes.at(-1)!.outputs).toEqual(["logits"]);
  });

  it("reads heads of either layout", async () => {
    const other = toy({ transB: 0 });
    const unseen = noise([16, 2, 9, 8]);
    const quantized = await quantizeModel(other, { samples });
    expect(decibels(await run(other, unseen), await run(quantized, unseen))).toBeGreaterThan(30);
  });

  it("takes a Relu6 as the upper end of the range too, and sums in integers", async () => {
    const b = new GraphBuilder();
    const x = b.input("features", "float32", ["N", 2, 9, 8]);
    const six = [b.constant("low", float32([], [0])), b.constant("high", float32([], [6]))];
    const conv = (from: string, name: string, inputs: number) =>
      b.add("Conv", [from, b.constant(`${name}.weight`, noise([4, inputs, 1, 1], 12))], {}, name);
    const one = b.add("Clip", [conv(x, "conv1", 2), ...six], {}, "relu6");
    const sum = b.add("Relu", [b.add("Add", [one, conv(one, "conv2", 4)], {}, "sum")], {}, "sum_relu");
    const flat = b.add("Flatten", [b.add("GlobalAveragePool", [sum], {}, "pool")], {}, "flat");
    b.output(b.add("Gemm", [flat, b.constant("head.weight", noise([4, 4]))], { transB: 1 }, "logits"), {
      type: "float32",
      shape: ["N", 4],
    });
    const float = asModel(b.build("relu6"));
    const int8 = await quantizeModel(float, { samples });
    expect(int8.graph.initializers.get("relu6_scale")!.data[0]).toBe(Math.fround(6 / 255));
    const path = join(folder, "relu6.onnx");
    await (await openSession(int8, { optimizedModelPath: path })).close();
    const operators = decodeModel(await readFile(path), path).graph.nodes.map(({ opType }) => opType);
    expect(operators.filter((operator) => operator !== "Transpose")).toEqual([
      ...["QuantizeLinear", "QLinearConv", "QLinearConv", "QLinearAdd"],
      ...["QLinearGlobalAveragePool", "Flatten", "QGemm"],
    ]);
    const unseen = noise([16, 2, 9, 8]);
    expect(decibels(await run(float, unseen), await run(int8, unseen))).toBeGreaterThan(30);
  });

  it("keeps a Clip that does not begin at zero, with its bounds", async () => {
    const b = new GraphBuilder();
    const x = b.input("features", "float32", ["N", 3]);
    const gemm = b.add("Gemm", [x, b.constant("w", noise([3, 3]))], {}, "gemm");
    const bounds = [b.constant("low", float32([], [-0.25])), b.constant("high", float32([], [0.5]))];
    const clipped = b.add("Clip", [gemm, ...bounds], {}, "clipped");
    b.output(b.add("Gemm", [clipped, b.constant("v", noise([3, 3]))], {}, "logits"), {
      type: "float32",
      shape: ["N", 3],
    });
    const float = asModel(b.build("clip"));
    const int8 = await quantizeModel(float, { samples: [noise([32, 3])] });
    expect(int8.graph.nodes.filter(({ opType }) => opType === "Clip").length).toBe(1);
    const unseen = noise([64, 3]);
    expect(decibels(await run(float, unseen), await run(int8, unseen))).toBeGreaterThan(30);
  });

  it("is the same for the same samples", async () => {
    expect(await quantizeModel(float, { samples })).toEqual(int8);
  });
});

describe("quantizing", () => {
  const single = (opType: string) => {
    const b = new GraphBuilder();
    const x = b.input("features", "float32", ["N", 3]);
    b.output(b.add(opType, [x], {}, "odd"));
    return asModel(b.build("single"));
  };

  it("leaves operators without a rule in float, and says which", async () => {
    const { model, report } = await quantizeWithReport(single("Erf"), { samples: [noise([4, 3])] });
    expect(model.graph.nodes.map(({ opType }) => opType)).toEqual(["Erf"]);
    expect(report.float).toEqual([{ name: "odd", operator: "Erf", why: "no-rule" }]);
    expect(report.outputDecibels).toBe(200);
  });

  it("computes weights that depend on constants alone", async () => {
    const b = new GraphBuilder();
    const x = b.input("features", "float32", ["N", 3]);
    b.output(b.add("Gemm", [x, b.add("Relu", [b.constant("w", noise([3, 2]))], {}, "computed")], {}, "odd"));
    const { graph } = await quantizeModel(asModel(b.build("computed")), { samples: [noise([1, 3])] });
    expect(graph.initializers.get("odd_weight_quantized")!.type).toBe("int8");
  });

  it("does not guess ranges without samples", async () => {
    await expect(quantizeModel(toy(), { samples: [] })).rejects.toThrow(/TOO_FEW_SAMPLES/);
  });
});

it("layers of a transformer are measured by themselves, where samples lie along other axes than the first", async () => {
  const b = new GraphBuilder();
  const x = b.input("features", "float32", ["N", 6, 4]);
  const turned = b.add("Transpose", [x], { perm: [1, 0, 2] }, "turned");
  const rows = b.add("Reshape", [turned, b.constant("two_axes", int64([-1, 4]))], {}, "rows");
  const mixed = b.add("Gemm", [rows, b.constant("mix", noise([4, 4])), b.constant("bias", noise([4]))], {}, "mixed");
  const squashed = b.add("Relu", [mixed], {}, "squashed");
  const again = b.add(
    "Gemm",
    [squashed, b.constant("again.w", noise([4, 3])), b.constant("again.b", noise([3]))],
    {},
    "again",
  );
  const apart = b.add("Reshape", [again, b.constant("three_axes", int64([6, -1, 3]))], {}, "apart");
  const back = b.add("Transpose", [apart], { perm: [1, 0, 2] }, "back");
  b.output(b.add("Flatten", [back], {}, "logits"), { type: "float32", shape: ["N", 18] });
  const { report } = await quantizeWithReport(asModel(b.build("tokens")), {
    samples: Array.from({ length: 6 }, () => noise([1, 6, 4])),
  });
  const alone = report.layers.filter(({ local }) => local !== null);
  expect(alone.map(({ name }) => name)).toContain("mixed");
  expect(Math.min(...alone.map(({ local }) => local!))).toBeGreaterThan(25);
});
