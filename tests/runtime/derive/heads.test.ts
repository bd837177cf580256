import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { deriveDeploy } from "../../../runtime/derive/deploy.ts";
import { asModel } from "../../../runtime/onnx/builder.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { makePlan } from "../../../runtime/plan/plan.ts";
import { executed } from "../normalize/compare.ts";
import { random, toyModel } from "../toy.ts";
import { expectExact, FOLDING, MODULES, parametersOf } from "./exact.ts";
import { type HeadOptions, networkWithHead as network } from "./head-networks.ts";

/** How models end, and what else differs among tools: a network of a convolution, a pool and one of several heads. */
const HEADS: Record<string, () => Model> = {
  "a convolution of one pixel, then Flatten": () => network({ head: "conv", flatten: "Flatten" }),
  "a convolution of one pixel, then Reshape": () => network({ head: "conv", flatten: "Reshape" }),
  "a product with its bias behind it, in float": () => network({ head: "matmul" }),
  "a product with its bias behind it, quantized": () => network({ head: "matmul", quantized: true }),
  "a final Softmax": () => network({ head: "gemm", activation: "Softmax" }),
  "a final Softmax on quantized logits": () => network({ head: "gemm", quantized: true, activation: "Softmax" }),
  "asymmetric uint8 weights, one scale for all": () => network({ head: "gemm", weights: "uint8" }),
  "asymmetric uint8 weights and a product": () => network({ head: "matmul", weights: "uint8", quantized: true }),
  "int8 activations": () => network({ head: "gemm", activations: "int8" }),
  "one DequantizeLinear for two readers": () => network({ head: "gemm", shared: true }),
};

describe.each(Object.entries(HEADS))("what is trained is what is served with %s", (_, make) => {
  it.each([...FOLDING, ...MODULES])("%s", (method) => expectExact(make(), method));
});

/** As int8 TFLite files end: quantized logits, a Softmax, and its answer quantized again. */
const TFLITE: HeadOptions = { head: "gemm", quantized: true, activation: "Softmax", quantizedAnswer: true };

describe.each(
  Object.entries({
    ...HEADS,
    "the end of a TFLite file": () => network(TFLITE),
    "the end of a legacy TFLite file": () => network({ ...TFLITE, weights: "uint8" }),
    "the end of a TFLite file for arm64": () => network({ ...TFLITE, head: "conv", activations: "int8" }),
  }),
)("what is trained is what is served with other classes in the place of %s", (_, make) => {
  const methods = [...FOLDING, ...MODULES].filter((method) => !method.startsWith("head"));
  // Rows of zeros answer nothing: whatever else is trained, the head is too.
  it.each(methods)("head+%s", (method) => expectExact(make(), `head+${method}`, { replaced: 6 }));
});

describe.each([1, 3, 17])("in batches of %i", (batch) => {
  it.each([1, 2])("on %i threads", async (threads) => {
    for (const method of ["bias+scale", "full", "lora"]) {
      await expectExact(network({ head: "matmul", quantized: true }), method, { batch, threads });
      await expectExact(toyModel(), method, { batch, threads });
      await expectExact(network(TFLITE), `head+${method}`, { batch, threads, replaced: 3 });
    }
  });
});

it.each([...FOLDING, ...MODULES])("a model that was deployed before is a base as any other: %s", async (method) => {
  for (const before of ["bias+scale", "full"]) {
    const plan = makePlan(prepareBase(network({ head: "gemm" })), before);
    await expectExact(await deriveDeploy(plan, parametersOf(plan, 0.05, random(3))), method);
  }
});

it.each(FOLDING)("%s deploys to as many integer kernels as the base has", async (method) => {
  for (const make of [() => toyModel({ quantizedLogits: true }), ...Object.values(HEADS)]) {
    const base = prepareBase(make());
    const plan = makePlan(base, method);
    const deployed = await deriveDeploy(plan, parametersOf(plan, 0.1, random(3)));
    expect(await executed(deployed)).toEqual(await executed(asModel(base.graph)));
  }
});

it.each(["scale", "bias+scale", "bias"])("%s leaves the int8 weights as they are", async (method) => {
  const base = prepareBase(toyModel());
  const plan = makePlan(base, method);
  const { graph } = await deriveDeploy(plan, parametersOf(plan, 0.3, random(3)));
  const weights = (of: Model["graph"]) =>
    of.nodes.flatMap(({ opType, inputs }) => {
      const value = opType === "DequantizeLinear" ? of.initializers.get(inputs[0]!) : undefined;
      return value?.type === "int8" ? [Array.from(value.data, Number)] : [];
    });
  expect(weights(graph)).toHaveLength(4);
  expect(weights(graph).map(String).sort()).toEqual(weights(base.graph).map(String).sort());
});
