import { describe, expect, it } from "vitest";
import { createMemoryMeter } from "../../../device/memory-meter.ts";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { deriveEpoch } from "../../../runtime/derive/epoch.ts";
import { loadModel } from "../../../runtime/index.ts";
import { METHODS } from "../../../runtime/methods/index.ts";
import { elementCount, float32, int64, type Tensor } from "../../../runtime/onnx/tensor.ts";
import { makePlan, type Plan, planOf, startParameters } from "../../../runtime/plan/plan.ts";
import { predict, throughputFrom } from "../../../runtime/plan/predict.ts";
import { adapt } from "../../../runtime/train/adapt.ts";
import { openTrainer } from "../../../runtime/train/trainer.ts";
import { toyModel, toyPackage, toySamples } from "../toy.ts";

const model = await loadModel("models/spoken-digits");
const base = prepareBase(model.model);
const terms = [{ loss: "cross-entropy", weight: 1 }] as const;
const SAMPLES = 128;

async function measuredBytes(plan: Plan, batch: number): Promise<number> {
  const cache: Record<string, Tensor> = {};
  for (const name of plan.frontier) {
    const dims = [SAMPLES, ...(plan.base.types.get(name)!.shape.slice(1) as number[])];
    cache[name] = { type: "uint8", dims, data: new Uint8Array(elementCount(dims)).fill(130) };
  }
  const labels = int64(Array.from({ length: SAMPLES }, (_, at) => at % plan.base.classes));
  const trainer = await openTrainer(await deriveEpoch(plan, { optimizer: "adam", terms, gradientNorm: 5 }), plan, {
    optimizer: "adam",
    threads: 1,
    set: { rows: { count: SAMPLES, rowBytes: 0, load: async () => cache }, side: { labels } },
    meter: createMemoryMeter(),
  });
  const steps = SAMPLES / batch;
  const order = {
    type: "int64",
    dims: [steps, batch],
    data: BigInt64Array.from({ length: SAMPLES }, (_, at) => BigInt(at)),
  } as const;
  const shares = float32([steps, batch], new Float32Array(SAMPLES).fill(1 / batch)) as Tensor<"float32">;
  const chunk = { order, shares, steps, rows: null };
  await trainer.epoch(trainer.start(startParameters(plan)), chunk, float32([steps], new Float32Array(steps)));
  const found = trainer.stateBytes()!;
  await trainer.close();
  return found;
}

// In a process that has done other things before, memory that the C library kept serves unseen: the bench, with a process for each
// plan, holds the prediction to 15 %. Here it must be in the right place, and large states must show.
it.skipIf(process.platform !== "linux").each(["bias", "sparse"])("predicts what training holds: %s", async (method) => {
  const plan = makePlan(base, method);
  const measured = await measuredBytes(plan, 64);
  const predicted = predict(plan, { batch: 64, optimizer: "adam", rows: SAMPLES, terms }).trainingStateBytes;
  expect(predicted / measured).toBeGreaterThan(0.7);
  expect(predicted / measured).toBeLessThan(1.5);
});

describe("prediction", () => {
  const predicted = (method: string, options: { batch?: number; rows?: number; optimizer?: "adam" | "sgd" } = {}) =>
    predict(makePlan(base, method), { batch: 16, rows: 200, optimizer: "adam", ...options });

  it("counts the cache exactly, and two numbers of Adam for each parameter", () => {
    const { parts } = predicted("bias");
    expect(parts.cache).toBe(200 * (40 * 61 + 8));
    expect(parts.parameters).toBe(3 * 4 * 970);
    expect(predicted("bias", { optimizer: "sgd" }).parts.parameters).toBe(2 * 4 * 970);
  });

  it("grows with the batch, in operations exactly", () => {
    const [small, large] = [predicted("bias", { batch: 16 }), predicted("bias", { batch: 64 })];
    expect(large.operations.multiplyAccumulates).toBe(4 * small.operations.multiplyAccumulates);
    expect(large.parts.step / small.parts.step).toBeGreaterThan(2.5);
  });

  it("knows that a later frontier costs less, and weights more than biases", () => {
    const [head, bias, full] = ["head", "bias", "full"].map((method) => predicted(method));
    expect(head!.trainingStateBytes).toBeLessThan(bias!.trainingStateBytes);
    expect(bias!.trainingStateBytes).toBeLessThan(full!.trainingStateBytes);
    expect(bias!.operations.multiplyAccumulates).toBeLessThan(full!.operations.multiplyAccumulates);
  });

  it("has no seconds without a throughput; with one, a measured step stands for all", () => {
    expect(predicted("bias").seconds).toBeNull();
    const { operations } = predicted("bias");
    const throughput = throughputFrom(operations, 0.25);
    const costs = { batch: 16, rows: 200, optimizer: "adam", throughput, epochs: 3, steps: 10 } as const;
    const { seconds } = predict(makePlan(base, "bias"), costs);
    expect(seconds!.step).toBeCloseTo(0.25, 10);
    expect(seconds!.training).toBeCloseTo(0.25 * 30, 8);
  });
});

it.each(METHODS.map(({ name }) => name))("has a shape for every value of a step: %s", (method) => {
  for (const each of [base, prepareBase(toyModel())]) {
    const found = predict(makePlan(each, method), { batch: 4, rows: 20, optimizer: "adamw" });
    const { multiplyAccumulates, elements } = found.operations;
    for (const value of [found.trainingStateBytes, multiplyAccumulates, elements]) expect(value).toBeGreaterThan(0);
  }
});

it.each(["head", "bias", "sparse", "sparse:unit=weight", "head+lora:rank=2"])(
  "foretells the adapter's size: %s",
  async (method) => {
    const options = { model: toyPackage(), samples: toySamples(24, 1), method, epochs: 1, board: "board" };
    const { adapter } = await adapt(options);
    const plan = planOf(prepareBase(toyModel()), adapter.description.plan!, adapter.description.method);
    const costs = { batch: 16, rows: 24, optimizer: "adam" } as const;
    expect(predict(plan, { ...costs, description: adapter.description }).adapterBytes).toBe(adapter.bytes.length);
    // What it will say of itself is not known to the byte before.
    const guessed = predict(plan, costs).adapterBytes;
    expect(Math.abs(guessed - adapter.bytes.length)).toBeLessThan(300);
  },
);
