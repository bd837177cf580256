import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { deriveDeploy } from "../../../runtime/derive/deploy.ts";
import { growHead } from "../../../runtime/derive/grow.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { int64, type Tensor } from "../../../runtime/onnx/tensor.ts";
import { makePlan, startParameters } from "../../../runtime/plan/plan.ts";
import { NETWORKS } from "../methods/networks.ts";
import { noise, random, toyModel } from "../toy.ts";
import { run } from "./exact.ts";
import { networkWithHead } from "./head-networks.ts";

const ADDED = 3;

const MODELS: Record<string, () => Model> = {
  "a Gemm of [N, K]": () => toyModel({ transB: 1 }),
  "a Gemm of [K, N]": () => toyModel({ transB: 0 }),
  "quantized logits": () => toyModel({ quantizedLogits: true }),
  "a convolution, then Flatten": () => networkWithHead({ head: "conv", flatten: "Flatten" }),
  "a convolution, then Reshape": () => networkWithHead({ head: "conv", flatten: "Reshape" }),
  "a product and its bias in float": () => networkWithHead({ head: "matmul" }),
  "a product and its bias quantized": () => networkWithHead({ head: "matmul", quantized: true }),
  "uint8 weights with one scale": () => networkWithHead({ head: "gemm", weights: "uint8", quantized: true }),
  "a Softmax behind it": () => networkWithHead({ head: "gemm", quantized: true, activation: "Softmax" }),
  "a float transformer": NETWORKS.transformer,
  "a float product and its bias": NETWORKS.multiplied,
};

describe.each(Object.entries(MODELS))("a head grows: %s", (_, make) => {
  it("and the old classes' logits stay what they were, to the bit", async () => {
    const base = prepareBase(make());
    const grown = growHead(base, ADDED);
    expect(grown.classes).toBe(base.classes + ADDED);
    expect(grown.output.shape).toEqual(["N", base.classes + ADDED]);
    const x = { [base.input.name]: noise([5, ...(base.input.shape.slice(1) as number[])], random(3), 2) };
    const logitsOf = async ({ graph }: Model) =>
      columns(
        (await run(asModel({ ...graph, outputs: [{ name: base.logits.name }] }), x))[base.logits.name]!,
        base.classes,
      );
    const before = await logitsOf(asModel(base.graph));
    expect(await logitsOf(asModel(grown.graph))).toEqual(before);
    for (const method of ["head", "full"]) {
      const plan = makePlan(grown, method);
      expect(await logitsOf(await deriveDeploy(plan, startParameters(plan))), method).toEqual(before);
    }
  });
});

it("a Reshape to as many numbers as there are classes is let alone where it is not behind the head", () => {
  const b = new GraphBuilder();
  const next = random(4);
  const constant = (dims: number[]) => b.constant("constant", noise(dims, next));
  const x = b.input("x", "float32", ["N", 12]);
  const tokens = b.add("Reshape", [x, b.constant("shape", int64([-1, 3, 4]))], {}, "tokens");
  const back = b.add("Reshape", [b.add("Tanh", [tokens]), b.constant("shape", int64([-1, 12]))]);
  const logits = b.add("Gemm", [back, constant([12, 4]), constant([4])], {}, "head");
  b.output(b.add("Reshape", [logits, b.constant("shape", int64([-1, 4]))]), { type: "float32" });
  const grown = growHead(prepareBase(asModel(b.build("network"))), 1);
  expect(grown.types.get("tokens")!.shape).toEqual(["N", 3, 4]);
  expect(grown.output.shape).toEqual(["N", 5]);
});

it("what gives no logits from a linear layer is refused", () => {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", ["N", 4]);
  b.output(b.add("Tanh", [x]), { type: "float32" });
  const base = prepareBase(asModel(b.build("network")));
  expect(() => growHead(base, 1)).toThrow(expect.objectContaining({ code: "CANNOT_GROW" }));
});

/** The first of each row's numbers. */
const columns = ({ dims, data }: Tensor, count: number): number[][] =>
  Array.from({ length: dims[0]! }, (_, row) =>
    Array.from((data as Float32Array).subarray(row * dims[1]!, row * dims[1]! + count)),
  );
