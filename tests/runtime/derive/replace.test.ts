import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { deriveDeploy } from "../../../runtime/derive/deploy.ts";
import { replaceHead } from "../../../runtime/derive/replace.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Graph, Model } from "../../../runtime/onnx/graph.ts";
import { makePlan } from "../../../runtime/plan/plan.ts";
import { NETWORKS } from "../methods/networks.ts";
import { executed } from "../normalize/compare.ts";
import { noise, random, toyModel } from "../toy.ts";
import { parametersOf, run } from "./exact.ts";
import { networkWithHead } from "./head-networks.ts";

const CLASSES = 7;

const MODELS: Record<string, () => Model> = {
  "a Gemm": () => toyModel(),
  "quantized logits": () => toyModel({ quantizedLogits: true }),
  "a convolution, then Flatten": () => networkWithHead({ head: "conv", flatten: "Flatten" }),
  "a convolution, then Reshape": () => networkWithHead({ head: "conv", flatten: "Reshape" }),
  "a product and its bias in float": () => networkWithHead({ head: "matmul" }),
  "a product and its bias quantized": () => networkWithHead({ head: "matmul", quantized: true }),
  "uint8 weights with one scale": () => networkWithHead({ head: "gemm", weights: "uint8", quantized: true }),
  "a Softmax whose answer is quantized": () =>
    networkWithHead({ head: "gemm", quantized: true, activation: "Softmax", quantizedAnswer: true }),
  "a Softmax whose answer is quantized to int8": () =>
    networkWithHead({ head: "conv", activation: "Softmax", quantizedAnswer: true, activations: "int8" }),
  "a float transformer": NETWORKS.transformer,
};

const typesOf = ({ nodes }: Graph): string[] => nodes.map(({ opType }) => opType);

describe.each(Object.entries(MODELS))("other classes in the place of those of %s", (name, make) => {
  const base = prepareBase(make());
  const replaced = replaceHead(base, CLASSES);

  it("are as many as were asked for, under the names of old", () => {
    expect(replaced.classes).toBe(CLASSES);
    expect(replaced.output).toEqual({ name: base.output.name, type: "float32", shape: ["N", CLASSES] });
    expect(replaced.logits.name).toBe(base.logits.name);
    expect(replaced.activation).toBe(base.activation);
    const [head] = makePlan(replaced, "head").targets;
    expect(head!.layer).toMatchObject({ outChannels: CLASSES, integer: name !== "a float transformer" });
    expect(makePlan(base, "head").targets.map(({ layer }) => layer.name)).toContain(head!.layer.name);
  });

  it("begin with nothing to say", async () => {
    const x = { [base.input.name]: noise([3, ...(base.input.shape.slice(1) as number[])], random(3), 2) };
    const answers = (await run(asModel(replaced.graph), x))[base.output.name]!;
    const nothing = base.activation === "Softmax" ? Math.fround(1 / CLASSES) : 0;
    expect([...new Set(answers.data as Float32Array)]).toEqual([nothing]);
  });

  it("have logits that no quantizer of the old ones clips, and an answer finer than steps of 1/256", async () => {
    const plan = makePlan(replaced, "head");
    const deployed = await deriveDeploy(plan, parametersOf(plan, 40, random(2)));
    const behind = typesOf(deployed.graph).slice(deployed.graph.nodes.findIndex(({ opType }) => opType === "Gemm") + 1);
    expect(behind).toEqual(base.activation === "Softmax" ? ["Softmax"] : []);
    const x = { [base.input.name]: noise([3, ...(base.input.shape.slice(1) as number[])], random(3), 2) };
    const logits = asModel({ ...deployed.graph, outputs: [{ name: base.logits.name }] });
    const largest = Math.max(...((await run(logits, x))[base.logits.name]!.data as Float32Array).map(Math.abs));
    // The old quantizers reach to 2.74 at most.
    expect(largest).toBeGreaterThan(10);
  });
});

it("the new head runs in an integer kernel, whatever the old one was", async () => {
  for (const make of [MODELS["a convolution, then Reshape"]!, MODELS["a product and its bias in float"]!]) {
    const replaced = replaceHead(prepareBase(make()), CLASSES);
    const plan = makePlan(replaced, "head");
    const kernels = await executed(await deriveDeploy(plan, parametersOf(plan, 0.1, random(3))));
    expect(kernels).not.toHaveProperty("Gemm");
    expect(kernels).toMatchObject({ QGemm: 1 });
  }
});

it("the old head's weights are gone", () => {
  const base = prepareBase(toyModel());
  const { graph } = replaceHead(base, CLASSES);
  expect(base.graph.initializers.has("head_weight")).toBe(true);
  expect(graph.initializers.has("head_weight")).toBe(false);
});

it("what gives no logits from a linear layer is refused", () => {
  const b = new GraphBuilder();
  b.output(b.add("Tanh", [b.input("x", "float32", ["N", 4])]), { type: "float32" });
  const base = prepareBase(asModel(b.build("network")));
  expect(() => replaceHead(base, 2)).toThrow(expect.objectContaining({ code: "CANNOT_GROW" }));
});
