import { beforeAll, describe, expect, it } from "vitest";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { type ModelPackage, sha256 } from "../../../runtime/package/package.ts";
import { quantizeModel } from "../../../runtime/quantize/index.ts";
import { evaluate } from "../../../runtime/serve/evaluate.ts";
import { adapt } from "../../../runtime/train/adapt.ts";
import { noise, random, toyPackage, toySamples } from "../toy.ts";
import { elsewhere, taughtPackage } from "./taught.ts";

let taught: ModelPackage;
beforeAll(async () => {
  taught = await taughtPackage();
});

const bare = ({ rehearsal: _, ...model }: ModelPackage): ModelPackage => model;
const unlabelled = <T extends { label: unknown }>(samples: readonly T[]) =>
  samples.map((each) => ({ ...each, label: null }));
const test = elsewhere(toySamples(120, 8));

describe("without labels", () => {
  const samples = unlabelled(elsewhere(toySamples(80, 5)));

  it("surer predictions are a gain, where a rehearsal pack shows that nothing is lost", async () => {
    const { decision, adapter, report } = await adapt({ model: taught, samples, method: "scale+bias", epochs: 20 });
    expect(decision, decision.explanation).toMatchObject({ accepted: true, reason: "UNSUPERVISED_GAIN" });
    expect(report.before.accuracy).toBeNull();
    const information = ({ confidence }: typeof report.after) => confidence!.marginalEntropy - confidence!.entropy;
    expect(information(report.after)).toBeGreaterThan(information(report.before));
    const [before, after] = [
      await evaluate({ model: taught, samples: test }),
      await evaluate({ model: taught, adapter, samples: test }),
    ];
    expect(after.accuracy).toBeGreaterThan(before.accuracy - 0.02);
    expect(adapter.description.samplesPerClass).toEqual({});
  });

  it("and without such a pack are no evidence", async () => {
    const { decision } = await adapt({ model: bare(taught), samples, method: "scale+bias", epochs: 4 });
    expect(decision).toMatchObject({ accepted: false, reason: "NO_EVIDENCE" });
  });

  it.each([0.05, 0.3, 3])(
    "a rate of %d, at which predictions fall into one, is not accepted for it",
    async (learningRate) => {
      const { decision, report, adapter } = await adapt({
        model: taught,
        samples,
        method: "scale+bias",
        epochs: 12,
        rehearsalMix: 0,
        learningRate,
        schedule: "constant",
      });
      if (!decision.accepted) return;
      expect(report.after.confidence!.topShare).toBeLessThan(0.6);
      const after = await evaluate({ model: taught, adapter, samples: test });
      expect(after.accuracy).toBeGreaterThan(0.5);
    },
  );

  it("beside some labels, they count for little and are judged by the labels", async () => {
    const labelled = elsewhere(toySamples(40, 5));
    const { decision, report } = await adapt({
      model: taught,
      samples: [...labelled, ...unlabelled(elsewhere(toySamples(40, 6)))],
      method: "scale+bias",
      epochs: 20,
    });
    expect(["GAIN", "NO_GAIN"]).toContain(decision.reason);
    expect(report.after.heldOut!.samples).toBe(8);
    expect(report.after.confidence!.samples).toBe(8);
  });
});

describe("with several labels a sample", () => {
  const next = random(31);
  /** Two of the toy's patterns on top of each other, or one, or none. */
  const mixed = (count: number, seed: number) => {
    const single = toySamples(4 * count, seed);
    return Array.from({ length: count }, (_, at) => {
      const chosen = single.slice(4 * at, 4 * at + 4).filter(() => next() < 0.4);
      const { dims } = single[0]!.features;
      const values = Float32Array.from({ length: single[0]!.features.data.length }, (__, i) =>
        chosen.reduce((sum, { features }) => sum + 0.6 * (features.data[i] as number), 0.1 * next()),
      );
      return { label: chosen.map(({ label }) => label), features: float32(dims, values) };
    });
  };

  it("the loss of each class for itself falls, on what was held out", async () => {
    const { decision, report, adapter } = await adapt({
      model: bare(taught),
      samples: mixed(80, 3),
      method: "head+bias",
      epochs: 90,
      learningRate: 0.1,
    });
    expect(decision).toMatchObject({ accepted: true, reason: "GAIN" });
    expect(report.before.accuracy).toBeNull();
    expect(report.after.losses!.heldOut!.samples).toBe(16);
    expect(report.after.losses!.heldOut!.loss).toBeLessThan(0.8 * report.before.losses!.heldOut!.loss);
    expect(adapter.description.samplesPerClass.a).toBeGreaterThan(10);
  });

  it("the rehearsal pack counts, one label each", async () => {
    const { report } = await adapt({
      model: taught,
      samples: mixed(60, 3),
      method: "head",
      epochs: 3,
      learningRate: 0.03,
    });
    expect(report.after.losses!.rehearsal!.samples).toBe(24);
  });
});

describe("an autoencoder", () => {
  it("learns to reproduce what is usual here, and measures what is not", async () => {
    const model = await autoencoder();
    const usual = (count: number, seed: number) => curves(count, seed, 0.9);
    const samples = usual(60, 2).map((features) => ({ label: null, features }));
    const { decision, report } = await adapt({
      model,
      samples,
      method: "full",
      loss: "reconstruction",
      epochs: 30,
      learningRate: 0.03,
    });
    expect(decision).toMatchObject({ accepted: true, reason: "GAIN" });
    expect(report.after.losses!.heldOut!.loss).toBeLessThan(0.7 * report.before.losses!.heldOut!.loss);
    expect(report.after.losses!.rehearsal).toBeNull();
  });

  it("is not what has other outputs than inputs", async () => {
    const samples = toySamples(20, 3).map(({ features }) => ({ label: null, features }));
    await expect(adapt({ model: taught, samples, method: "full", loss: "reconstruction" })).rejects.toThrow(
      /BAD_ARGUMENT.*4 outputs.*as many as inputs/,
    );
  });
});

describe("what the base knew", () => {
  it("is kept the better, the more its own opinion counts", async () => {
    // Here every class goes by the name of another.
    const renamed = (seed: number) =>
      toySamples(60, seed).map(({ features, label }) => ({ label: "bcda"["abcd".indexOf(label)]!, features }));
    const [samples, heldOut] = [renamed(4), renamed(5)];
    const losses = [];
    for (const distillation of [0, 20]) {
      const { report } = await adapt({
        model: taught,
        samples,
        heldOut,
        method: "head+bias",
        epochs: 8,
        learningRate: 0.06,
        rehearsalMix: 0.2,
        distillation,
      });
      losses.push(report.after.rehearsal!.loss);
    }
    expect(losses[1]).toBeLessThan(losses[0]!);
  });
});

describe("rare classes", () => {
  it("are learnt when they are shown as often as the others", async () => {
    const many = toySamples(240, 5).filter(({ label }, at) => label !== "d" || at % 40 === 3);
    const model = toyPackage();
    const shares = [];
    for (const balance of ["on", "off"] as const) {
      const { adapter } = await adapt({
        model,
        samples: many,
        method: "head+bias",
        epochs: 60,
        patience: 60,
        learningRate: 0.06,
        balance,
      });
      const { perClass } = await evaluate({ model, adapter, samples: toySamples(120, 9) });
      shares.push(perClass.d!.accuracy);
    }
    expect(shares[0]).toBeGreaterThan(0.9);
    expect(shares[1]).toBeLessThan(0.5);
  });
});

/** Values that follow one another smoothly, [1, 12]. */
function curves(count: number, seed: number, size: number) {
  const next = random(seed);
  return Array.from({ length: count }, () => {
    const [phase, rate] = [next() * 6, 0.3 + next() * 0.3];
    return float32(
      [1, 12],
      Array.from({ length: 12 }, (_, at) => size * Math.sin(phase + rate * at)),
    );
  });
}

/** 12 numbers through 4 and back, int8. */
async function autoencoder(): Promise<ModelPackage> {
  const b = new GraphBuilder();
  const next = random(6);
  const gemm = (x: string, from: number, to: number, name: string) =>
    b.add(
      "Gemm",
      [x, b.constant(`${name}_w`, noise([from, to], next, 0.5)), b.constant(`${name}_b`, noise([to], next, 0.2))],
      {},
      name,
    );
  const narrow = b.add("Relu", [gemm(b.input("x", "float32", ["N", 12]), 12, 4, "encoder")]);
  b.output(gemm(b.add("Relu", [gemm(narrow, 4, 10, "wide")]), 10, 12, "decoder"), {
    type: "float32",
    shape: ["N", 12],
  });
  const model: Model = await quantizeModel(asModel(b.build("autoencoder")), { samples: curves(40, 1, 1.2) });
  const bytes = encodeModel(model);
  return { ...toyPackage(), path: "autoencoder", model, bytes, sha256: sha256(bytes) };
}

describe("a model that ends in a convolution, [N, classes, 1, 1]", () => {
  const samples = toySamples(60, 1);

  it.each([
    ["with labels", { samples }],
    ["with several labels", { samples: samples.map(({ label, features }) => ({ label: [label], features })) }],
    [
      "with a class more",
      { samples: samples.map((each, at) => (at % 3 ? each : { ...each, label: "zebra" })), classes: "extend" as const },
    ],
    ["by importance", { samples, method: "sparse" }],
  ])("is trained as any other, %s", async (_, change) => {
    const { report } = await adapt({
      model: convolutional(),
      method: "full",
      epochs: 10,
      learningRate: 0.01,
      ...change,
    });
    const lossOf = (metrics: typeof report.after) => (metrics.heldOut ?? metrics.losses!.heldOut)!.loss;
    if (!("classes" in change)) expect(lossOf(report.after)).toBeLessThan(lossOf(report.before));
  });

  it("and what is measured is what is served", async () => {
    const heldOut = toySamples(20, 3);
    const { report, adapter } = await adapt({
      model: convolutional(),
      samples,
      heldOut,
      method: "full",
      epochs: 3,
      learningRate: 0.01,
    });
    const served = await evaluate({ model: convolutional(), adapter, samples: heldOut });
    expect(served.loss).toBeCloseTo(report.after.heldOut!.loss, 5);
  });
});

function convolutional(): ModelPackage {
  const b = new GraphBuilder();
  const next = random(3);
  const constant = (dims: number[]) => b.constant("constant", noise(dims, next, 0.5));
  const x = b.input("x", "float32", ["N", 2, 9, 8]);
  const stem = b.add("Tanh", [b.add("Conv", [x, constant([8, 2, 3, 3]), constant([8])], {}, "stem")]);
  const pooled = b.add("GlobalAveragePool", [stem]);
  b.output(b.add("Conv", [pooled, constant([4, 8, 1, 1]), constant([4])], {}, "head"), { type: "float32" });
  const model = asModel(b.build("convolutional"));
  const bytes = encodeModel(model);
  return { ...toyPackage(), model, bytes, sha256: sha256(bytes) };
}
