import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { deriveEpoch } from "../../../runtime/derive/epoch.ts";
import { derivePrefix } from "../../../runtime/derive/prefix.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { makePlan, planOf } from "../../../runtime/plan/plan.ts";
import { toyModel } from "../toy.ts";

const base = prepareBase(toyModel());

describe("the plan", () => {
  it("cuts in front of the first thing that changes, at a quantized value", () => {
    expect(makePlan(base, "head").frontier).toEqual(["embedding_q"]);
    expect(makePlan(base, "bias").frontier).toEqual(["features_q"]);
    expect(base.types.get("embedding_q")!.type).toBe("uint8");
  });

  it("lets the method named first claim what both would change", () => {
    const claims = (method: string) =>
      makePlan(base, method).targets.map(
        ({ layer, parts }) =>
          `${layer.name}:${parts.map((part) => `${part.method.name}(${part.parameters.map(({ name }) => name)})`)}`,
      );
    const others = ["stem:bias(bias)", "depthwise:bias(bias)", "pointwise:bias(bias)"];
    expect(claims("head+bias")).toEqual([...others, "head:head(weight,bias)"]);
    expect(claims("bias+head")).toEqual([...others, "head:bias(bias),head(weight)"]);
    expect(claims("sparse+bias")).toEqual(
      ["stem", "depthwise", "pointwise", "head"].map((name) => `${name}:sparse(weight),bias(bias)`),
    );
    expect(makePlan(base, "head+bias").trainableParameters).toBe(4 * 8 + 4 + 3 * 8);
  });

  it("takes the layers that patterns name", () => {
    const targets = (patterns: string[], method = "bias") =>
      makePlan(base, method, { targets: patterns }).targets.map(({ layer }) => layer.name);
    expect(targets(["last:2"])).toEqual(["pointwise", "head"]);
    expect(targets(["*wise", "!depth*"])).toEqual(["pointwise"]);
    expect(targets(["depthwise"])).toEqual(["depthwise"]);
    expect(targets(["linear", "operator:Conv", "!stem"])).toEqual(["depthwise", "pointwise", "head"]);
    expect(() => targets(["nowhere"])).toThrow(/NOTHING_TO_TRAIN.*method bias.*nowhere.*stem, depthwise/);
    expect(() => targets(["last:0"])).toThrow(/BAD_ARGUMENT.*last:0/);
  });

  it("reads settings behind a method's name, and says what is wrong with them", () => {
    expect(makePlan(base, "lora:rank=2", { targets: ["pointwise"] }).parameters).toMatchObject([
      { name: "pointwise/up", dims: [8, 2] },
    ]);
    expect(() => makePlan(base, "lora:rank=none")).toThrow(/BAD_ARGUMENT.*lora: rank/);
    expect(() => makePlan(base, "bias:rank=2")).toThrow(/BAD_ARGUMENT.*method bias/);
  });

  it("is made again from its spec", () => {
    const plan = makePlan(base, "sparse:share=0.5+adapter:width=2");
    const again = planOf(base, JSON.parse(JSON.stringify(plan.spec)), plan.method);
    expect(again.parameters.map(({ name, dims }) => [name, dims])).toEqual(
      plan.parameters.map(({ name, dims }) => [name, dims]),
    );
    expect(again.frontier).toEqual(plan.frontier);
  });

  it("knows methods by their names in the literature, and says what there is", () => {
    expect(makePlan(base, "bitfit").method).toBe("bias");
    expect(() => makePlan(base, "heads")).toThrow(/UNKNOWN_METHOD.*heads.*head, linear-probe/);
  });

  it("needs no prefix where the samples are at the frontier already", () => {
    const plan = makePlan(base, "bias");
    expect(derivePrefix(plan, "features_q")).toBeNull();
    expect(derivePrefix(plan)!.graph.nodes.map((node) => node.opType)).toEqual(["QuantizeLinear"]);
    expect(() => derivePrefix(makePlan(base, "bias"), "embedding_q")).toThrow(/depends on/);
  });
});

describe("the epoch graph", () => {
  const terms = [{ loss: "cross-entropy", weight: 1 }] as const;
  const options = { optimizer: "adam", terms, gradientNorm: 5 } as const;

  it("holds standard operators only, runs forward in integers, and backpropagates no further than the frontier", async () => {
    const { graph } = await deriveEpoch(makePlan(base, "head"), options);
    const loop = graph.nodes.find((node) => node.opType === "Loop")!;
    const body = loop.attributes.body!;
    if (body.kind !== "graph") throw new Error("a Loop without a body");
    const operators = body.value.nodes.map((node) => node.opType);
    expect(body.value.nodes.every((node) => node.domain === "")).toBe(true);
    expect(operators).toContain("MatMulInteger");
    expect(operators).not.toContain("QLinearConv");
    expect(operators).not.toContain("Conv");
  });

  it("has no weight gradient where only biases train", async () => {
    const { graph } = await deriveEpoch(makePlan(base, "bias"), options);
    const body = graph.nodes.find((node) => node.opType === "Loop")!.attributes.body!;
    if (body.kind !== "graph") throw new Error("a Loop without a body");
    const products = body.value.nodes.filter((node) => ["Conv", "MatMul"].includes(node.opType));
    // The gradient with respect to the input of pointwise and depthwise; the stem's input lies at the frontier.
    expect(products.map((node) => node.opType)).toEqual(["MatMul", "Conv"]);
    expect(products.every((node) => body.value.initializers.has(node.inputs[1]!))).toBe(true);
  });
});

describe("a base that cannot be adapted", () => {
  it.each([
    ["nothing in it to adapt", (b: GraphBuilder, x: string) => b.add("Relu", [x]), /NOTHING_TO_TRAIN.*no layer/],
    [
      "an unknown operator",
      (b: GraphBuilder, x: string) => b.add("NonMaxSuppression", [x], {}, "boxes"),
      /UNSUPPORTED_OPERATOR.*boxes/,
    ],
  ])("is refused: %s", (_, grow, message) => {
    const b = new GraphBuilder();
    b.output(grow(b, b.input("x", "float32", ["N", 4])), { type: "float32", shape: ["N", 4] });
    expect(() => makePlan(prepareBase(asModel(b.build("g"))), "bias")).toThrow(message);
  });

  it("is refused with a batch that cannot vary", () => {
    const model = toyModel();
    const [input] = model.graph.inputs;
    const fixed = { ...model.graph, inputs: [{ ...input!, shape: [1, ...input!.shape.slice(1)] }] };
    expect(() => prepareBase({ ...model, graph: fixed })).toThrow(/NO_SHAPE.*batch of 1.*symbolic/);
  });

  it("is refused with an operator set from before these rules", () => {
    expect(() => prepareBase({ ...toyModel(), opset: 6 })).toThrow(/UNSUPPORTED_OPERATOR.*opset 6/);
  });
});
