import { describe, expect, it } from "vitest";
import { decodeAdapter } from "../../../runtime/adapter/adapter.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { createClassifier } from "../../../runtime/serve/classifier.ts";
import { evaluate } from "../../../runtime/serve/evaluate.ts";
import { adapt } from "../../../runtime/train/adapt.ts";
import type { Progress } from "../../../runtime/train/request.ts";
import { toyPackage, toySamples } from "../toy.ts";

const model = toyPackage();
const samples = toySamples(80, 1);
const quick = { model, samples, method: "head+bias", epochs: 15, learningRate: 0.06 } as const;

describe("adapt", () => {
  it("learns what the base does not know, and what it reports is what is served", async () => {
    const { adapter, decision, report } = await adapt({ ...quick, epochs: 80, patience: 80 });
    expect(decision).toMatchObject({ accepted: true, reason: "GAIN" });
    expect(report.before.accuracy).toBeLessThan(0.7);
    expect(report.after.accuracy).toBeGreaterThan(0.9);
    const test = toySamples(100, 2);
    const before = await evaluate({ model, samples: test });
    const after = await evaluate({ model, adapter, samples: test });
    expect(after.accuracy).toBeGreaterThan(Math.max(0.9, before.accuracy + 0.2));
    expect(Object.values(after.perClass).reduce((sum, each) => sum + each.samples, 0)).toBe(100);
  });

  it("gives the same bytes for the same seed, and others for another", async () => {
    const [a, b, c] = [
      await adapt({ ...quick, seed: 3 }),
      await adapt({ ...quick, seed: 3 }),
      await adapt({ ...quick, seed: 4 }),
    ];
    expect(b.adapter.sha256).toBe(a.adapter.sha256);
    expect(c.adapter.sha256).not.toBe(a.adapter.sha256);
  });

  it("measures held-out samples exactly as the deployed model classifies them", async () => {
    const heldOut = toySamples(40, 5);
    const { adapter, report } = await adapt({ ...quick, heldOut });
    const served = await evaluate({ model, adapter, samples: heldOut });
    expect(served).toMatchObject({
      samples: 40,
      accuracy: report.after.heldOut!.accuracy,
      loss: report.after.heldOut!.loss,
    });
  });

  it("goes on from the adapter that is being served and names it as parent", async () => {
    const first = await adapt({ ...quick, epochs: 3, board: "one" });
    const second = await adapt({ ...quick, start: first.adapter, board: "two" });
    expect(second.adapter.description.lineage).toEqual({ parents: [first.adapter.sha256], contributors: ["two"] });
    expect(second.report.before.heldOut!.loss).toBeCloseTo(first.report.after.heldOut!.loss, 6);
  });

  it.each(["head", "bias"])("trains %s alone, and fewer parameters than both", async (method) => {
    const { report, adapter } = await adapt({ ...quick, method });
    expect(report.after.heldOut!.loss).toBeLessThan(report.before.heldOut!.loss);
    expect(report.trainableParameters).toBe(
      [...adapter.tensors.values()].reduce((sum, value) => sum + value.data.length, 0),
    );
    const both = await adapt({ ...quick, epochs: 1 });
    expect(report.trainableParameters).toBeLessThan(both.report.trainableParameters);
  });

  it("survives a learning rate that makes it diverge", async () => {
    const { report } = await adapt({
      ...quick,
      method: "head",
      optimizer: "sgd",
      learningRate: 1e38,
      gradientNorm: 1e38,
    }).catch((error: unknown) => {
      expect(error).toMatchObject({ code: "DIVERGED" });
      return { report: null };
    });
    // Either a smaller rate got through, or the error says so; the start is never lost to a NaN.
    if (report) expect(Number.isFinite(report.after.heldOut!.loss)).toBe(true);
  });

  it("reports progress of both phases", async () => {
    const seen: Progress[] = [];
    await adapt({ ...quick, epochs: 2, onProgress: (progress) => seen.push(progress) });
    expect(seen.filter(({ phase }) => phase === "train").map(({ done }) => done)).toEqual([1, 2]);
    expect(seen.filter(({ phase }) => phase === "cache").at(-1)).toMatchObject({ done: 80, total: 80 });
  });

  it("stops when told to", async () => {
    const controller = new AbortController();
    const running = adapt({ ...quick, signal: controller.signal, onProgress: () => controller.abort() });
    await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it.each([
    ["no samples", { samples: [] }, "TOO_FEW_SAMPLES"],
    ["a class that the model does not know", { samples: [{ ...samples[0]!, label: "zebra" }] }, "UNKNOWN_CLASS"],
    ["a method that does not exist", { method: "magic" }, "UNKNOWN_METHOD"],
    ["a batch of nothing", { batch: 0 }, "BAD_ARGUMENT"],
    ["half an epoch", { epochs: 0.5 }, "BAD_ARGUMENT"],
    ["a learning rate that is no number", { learningRate: Number.NaN }, "BAD_ARGUMENT"],
    ["nothing left for the second method", { method: "bias+bitfit" }, "NOTHING_TO_TRAIN"],
  ] as const)("refuses %s", async (_, change, code) => {
    const error = await adapt({ ...quick, ...change }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(LichenError);
    expect(error).toMatchObject({ code });
  });

  it("refuses to go on from an adapter of another base or another method", async () => {
    const { adapter } = await adapt({ ...quick, epochs: 1 });
    const other = toyPackage({ seed: 2 });
    await expect(adapt({ ...quick, model: other, start: adapter })).rejects.toMatchObject({
      code: "ADAPTER_WRONG_BASE",
    });
    await expect(createClassifier(other, { adapter })).rejects.toMatchObject({ code: "ADAPTER_WRONG_BASE" });
    await expect(adapt({ ...quick, method: "bias", start: adapter })).rejects.toMatchObject({ code: "BAD_ARGUMENT" });
  });

  it("refuses a single sample of each class with the gate and not with a crash", async () => {
    const { decision } = await adapt({ ...quick, samples: samples.slice(0, 4), epochs: 1 });
    expect(decision).toMatchObject({ accepted: false, reason: "TOO_FEW_HELD_OUT" });
  });

  it("writes an adapter that reads back the same", async () => {
    const { adapter } = await adapt({ ...quick, epochs: 1 });
    const again = decodeAdapter(adapter.bytes, "test");
    expect(again).toEqual(adapter);
  });
});

describe("an interrupted run", () => {
  const store = () => {
    const saved: Uint8Array[] = [];
    return {
      saved,
      load: async () => saved.at(-1) ?? null,
      save: async (bytes: Uint8Array) => void saved.push(bytes),
      clear: async () => void saved.splice(0),
    };
  };

  it("is taken up where it stopped, and ends in the same bytes", async () => {
    const whole = await adapt(quick);
    const checkpoint = store();
    const controller = new AbortController();
    const onProgress = ({ phase, done }: Progress) => phase === "train" && done === 2 && controller.abort();
    await expect(adapt({ ...quick, checkpoint, signal: controller.signal, onProgress })).rejects.toMatchObject({
      code: "CANCELLED",
    });
    expect(checkpoint.saved).toHaveLength(2);
    const epochs: number[] = [];
    const resumed = await adapt({
      ...quick,
      checkpoint,
      onProgress: ({ phase, done }) => void (phase === "train" && epochs.push(done)),
    });
    expect(epochs[0]).toBe(3);
    expect(resumed.adapter.sha256).toBe(whole.adapter.sha256);
    expect(checkpoint.saved).toEqual([]);
  });

  it("starts anew from a damaged checkpoint, and from that of another run", async () => {
    const whole = await adapt(quick);
    const checkpoint = store();
    checkpoint.saved.push(Uint8Array.of(1, 2, 3));
    expect((await adapt({ ...quick, checkpoint })).adapter.sha256).toBe(whole.adapter.sha256);
    const others = store();
    await adapt({ ...quick, seed: 9, checkpoint: { ...others, clear: async () => {} } });
    expect(others.saved.length).toBeGreaterThan(0);
    expect((await adapt({ ...quick, checkpoint: others })).adapter.sha256).toBe(whole.adapter.sha256);
  });
});

describe("adaptive, and budgets", () => {
  it("chooses for itself, says why, and is made again from the adapter alone", async () => {
    const { adapter, report } = await adapt({ ...quick, method: "adaptive", epochs: 4 });
    expect(report.method).toBe("adaptive");
    expect(report.explanation!.layers.length).toBeGreaterThan(0);
    expect(report.trainingStateBytes.predicted).toBeGreaterThan(0);
    const test = toySamples(20, 2);
    expect((await evaluate({ model, adapter, samples: test })).samples).toBe(20);
    const again = await adapt({ ...quick, method: "adaptive", epochs: 2, start: adapter });
    expect(again.adapter.description.plan).toEqual(adapter.description.plan);
  });

  it("refuses a plan over its budget before anything is trained, and says what fits", async () => {
    const phases = new Set<string>();
    const onProgress = ({ phase }: Progress) => void phases.add(phase);
    const over = adapt({ ...quick, method: "full", budget: { adapterBytes: 2600 }, onProgress });
    await expect(over).rejects.toThrow(/BUDGET_EXCEEDED.*adapter.*train what fits: full from/);
    expect([...phases]).toEqual([]);
    await expect(adapt({ ...quick, budget: { memoryBytes: 1000 } })).rejects.toThrow(/BUDGET_EXCEEDED.*allow it more/);
  });

  it("knows seconds only from a clock", async () => {
    const clockMs = () => performance.now();
    const over = adapt({ ...quick, method: "full", budget: { seconds: 1e-6 }, clockMs });
    await expect(over).rejects.toThrow(/BUDGET_EXCEEDED.*seconds/);
    const { report } = await adapt({ ...quick, epochs: 1, budget: { seconds: 1e-6 } });
    expect(report.epochs).toBe(1);
    const { adapter: start } = await adapt({ ...quick, epochs: 1 });
    await expect(adapt({ ...quick, start, budget: { seconds: 1e-6 }, clockMs })).rejects.toThrow(/BUDGET_EXCEEDED/);
  });
});
