import { describe, expect, it } from "vitest";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { float32, int64 } from "../../../runtime/onnx/tensor.ts";
import { type QuantizeOptions, quantizeModel, quantizeWithReport } from "../../../runtime/quantize/index.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { answer, decibels, Grower, noise } from "./networks.ts";

const samples = Array.from({ length: 4 }, (_, at) => noise([4, 3, 8, 8], seeded(10 + at)));
const unseen = noise([16, 3, 8, 8], seeded(99));
const quantized = (model: Model, options: Omit<QuantizeOptions, "samples"> = {}) =>
  quantizeWithReport(model, { samples, ...options });
const near = async (float: Model, int8: Model) => decibels(await answer(float, unseen), await answer(int8, unseen));
const scaleOf = ({ graph }: Model, value: string) => {
  const node = graph.nodes.find(({ outputs }) => outputs[0] === `${value}_q`)!;
  return Number(graph.initializers.get(node.inputs[1]!)!.data[0]);
};

describe("what is quantized", () => {
  it("is all but what was asked to stay in float", async () => {
    const float = new Grower(seeded(1)).conv(6).op("Relu").conv(6).op("Relu").head();
    const name = float.graph.nodes[2]!.name;
    const { model, report } = await quantized(float, { float: [`${name.slice(0, 3)}*${name.at(-1)}`] });
    const kept = model.graph.nodes.find((node) => node.name === name)!;
    expect(model.graph.initializers.get(kept.inputs[1]!)!.type).toBe("float32");
    expect(report.float.map((node) => [node.name, node.why])).toContainEqual([name, "asked"]);
    expect(await near(float, model)).toBeGreaterThan(25);
  });

  it("is not what only leads to the answers: a Softmax, and pools before it", async () => {
    const grower = new Grower(seeded(2)).conv(5).op("Relu").op("GlobalAveragePool").op("Flatten", [], { axis: 1 });
    const { model, report } = await quantized(grower.op("Softmax", [], { axis: 1 }).model(["N", 5]));
    expect(report.float.map(({ operator, why }) => `${operator} ${why}`)).toEqual([
      ...["GlobalAveragePool end", "Flatten end", "Softmax end"],
    ]);
    expect(model.graph.nodes.filter(({ opType }) => opType === "QuantizeLinear").length).toBe(2);
  });

  it("is a convolution whose result is the answer: the answer is read from its codes, under its name", async () => {
    const float = new Grower(seeded(3)).conv(5).op("Relu").conv(4).model(["N", 4, 8, 8]);
    const { model } = await quantized(float);
    expect(model.graph.nodes.at(-1)).toMatchObject({
      opType: "DequantizeLinear",
      outputs: [float.graph.outputs[0]!.name],
    });
    expect(await near(float, model)).toBeGreaterThan(25);
  });

  it("has one scale for all that is joined, but for what a clip would be lost in", async () => {
    const join = (second: "Relu" | "none") => {
      const grower = new Grower(seeded(4)).conv(4).op("Relu");
      const first = grower.value;
      grower.channels = 4;
      grower.conv(4);
      if (second === "Relu") grower.op("Relu");
      const other = grower.value;
      grower.value = grower.b.add("Concat", [first, other], { axis: 1 }, "joined");
      grower.channels = 8;
      return { float: grower.conv(4).head(), first, other };
    };
    const both = join("Relu");
    const same = await quantizeModel(both.float, { samples });
    expect(scaleOf(same, both.first)).toBe(scaleOf(same, "joined"));
    expect(scaleOf(same, both.other)).toBe(scaleOf(same, "joined"));

    const mixed = join("none");
    const apart = await quantizeModel(mixed.float, { samples });
    expect(scaleOf(apart, mixed.first)).not.toBe(scaleOf(apart, "joined"));
    expect(scaleOf(apart, mixed.other)).not.toBe(0);
    expect(await near(mixed.float, apart)).toBeGreaterThan(25);
  });

  it("passes one scale through what only moves numbers", async () => {
    const grower = new Grower(seeded(5)).conv(4).op("Relu");
    const origin = grower.value;
    grower.op("MaxPool", [], { kernel_shape: [2, 2], strides: [2, 2] }).op("Transpose", [], { perm: [0, 1, 3, 2] });
    grower.value = grower.b.add("Pad", [grower.value, grower.b.constant("pads", int64([0, 0, 1, 1, 0, 0, 1, 1]))]);
    const moved = grower.value;
    const model = await quantizeModel(grower.conv(4).head(), { samples });
    expect(scaleOf(model, moved)).toBe(scaleOf(model, origin));
  });

  it("does not touch what is quantized already", async () => {
    const grower = new Grower(seeded(6)).conv(6).op("Relu").conv(6).op("Relu");
    const float = grower.head();
    const half = (await quantized(float, { float: ["conv2"] })).model;
    const stays = (name: string) => half.graph.initializers.get(`${name}_weight_quantized`);
    expect(stays("conv2")).toBeUndefined();
    const { model } = await quantized(half);
    expect(model.graph.initializers.get("conv0_weight_quantized")).toEqual(stays("conv0"));
    const added = model.graph.nodes.find(({ name }) => name === "conv2")!;
    expect(model.graph.nodes.find(({ outputs }) => outputs[0] === added.inputs[1])!.opType).toBe("DequantizeLinear");
    expect(await near(float, model)).toBeGreaterThan(25);
    expect((await quantized(model)).report.layers).toEqual([]);
  });

  it("is what a subgraph captures too, as real numbers", async () => {
    const grower = new Grower(seeded(7)).conv(4).op("Relu");
    const captured = grower.value;
    const { b } = grower;
    const branch = (op: string) => {
      const inner = new GraphBuilder({ outer: b });
      inner.output(inner.add(op, [captured]), { type: "float32", shape: ["N", 4, 8, 8] });
      return inner.build(op);
    };
    const size = b.add("ReduceMax", [b.add("Abs", [grower.value])], { keepdims: 0 });
    const yes = b.add("Greater", [size, b.constant("never", float32([], [-1]))]);
    grower.value = b.add("If", [yes], { then_branch: branch("Neg"), else_branch: branch("Abs") });
    const float = grower.conv(4).head();
    const { model, report } = await quantized(float);
    expect(report.float.map(({ operator }) => operator)).toContain("If");
    expect(await near(float, model)).toBeGreaterThan(25);
  });

  it("is a rank-3 product by a constant, with one scale per column", async () => {
    const b = new GraphBuilder();
    const random = seeded(8);
    const x = b.input("x", "float32", ["N", 3, 8, 8]);
    const rows = b.add("Reshape", [x, b.constant("rows", int64([0, 8, 24]))]);
    const one = b.add("Relu", [b.add("MatMul", [rows, b.constant("w", noise([24, 10], random))], {}, "one")]);
    const sum = b.add("Add", [
      b.add("MatMul", [one, b.constant("v", noise([10, 6], random))], {}, "two"),
      b.constant("bias", noise([6], random)),
    ]);
    b.output(b.add("MatMul", [sum, b.constant("u", noise([6, 2], random))], {}, "three"), {
      type: "float32",
      shape: ["N", 8, 2],
    });
    const float = asModel(b.build("products"));
    const { model, report } = await quantized(float);
    expect(report.float).toEqual([]);
    expect(model.graph.initializers.get("one_weight_scale")!.dims).toEqual([10]);
    expect(await near(float, model)).toBeGreaterThan(25);
  });

  it("works for a batch that cannot vary", async () => {
    const float = new Grower(seeded(9)).conv(4).op("Relu").head();
    const { graph } = float;
    const fixed = { ...float, graph: { ...graph, inputs: [{ ...graph.inputs[0]!, shape: [1, 3, 8, 8] }] } };
    const { report } = await quantized(fixed, { method: "auto", equalize: "auto", correctBiases: true });
    expect(report.outputDecibels).toBeGreaterThan(25);
  });
});

describe("choosing", () => {
  const float = new Grower(seeded(10)).conv(8, { spread: 8 }).op("Relu").depthwise(8).op("Relu").conv(6).head();

  it("takes the best on held-out samples, and says what it tried", async () => {
    const { report } = await quantized(float, { method: "auto", equalize: "auto" });
    expect(report.samples).toEqual({ calibration: 12, heldOut: 4 });
    expect(report.candidates.map(({ method, equalized }) => `${method} ${equalized}`)).toEqual([
      ...["minmax false", "percentile false", "entropy false", "minmax true", "percentile true", "entropy true"],
    ]);
    const best = report.candidates.toSorted((a, b) => b.decibels - a.decibels)[0]!;
    expect([report.method, report.equalizedPairs > 0]).toEqual([best.method, best.equalized]);
    expect(report.outputDecibels).toBeCloseTo(best.decibels, 5);
  });

  it("reads generators as well as arrays", async () => {
    const generated = await quantizeModel(float, { samples: samples.values(), method: "auto" });
    expect(generated).toEqual(await quantizeModel(float, { samples, method: "auto" }));
  });
});

describe("for arm64", () => {
  it("activations are int8, and answers those of x64 with 8-bit weights", async () => {
    const float = new Grower(seeded(11))
      .conv(6)
      .op("Relu")
      .depthwise()
      .relu6()
      .conv(6)
      .op("Mul", [noise([1], seeded(1))])
      .head();
    const arm = await quantizeModel(float, { samples, target: "arm64" });
    const types = arm.graph.nodes
      .filter(({ opType }) => opType === "QuantizeLinear")
      .map(({ inputs }) => arm.graph.initializers.get(inputs[2]!)!.type);
    expect(new Set(types)).toEqual(new Set(["int8"]));
    expect([...arm.graph.initializers.values()].some(({ type }) => type === "uint8")).toBe(false);
    expect(await near(float, arm)).toBeGreaterThan(30);
    const x64 = await quantizeModel(float, { samples, reducedRange: false });
    expect(decibels(await answer(x64, unseen), await answer(arm, unseen))).toBeGreaterThan(45);
  });
});
