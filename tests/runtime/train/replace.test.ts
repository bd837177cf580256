import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type Adapter, decodeAdapter } from "../../../runtime/adapter/adapter.ts";
import { averageAdapters } from "../../../runtime/adapter/average.ts";
import { decodeSafetensors } from "../../../runtime/adapter/safetensors.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import { float32, tensor } from "../../../runtime/onnx/tensor.ts";
import { loadModel, type ModelPackage, sha256 } from "../../../runtime/package/package.ts";
import { createClassifier } from "../../../runtime/serve/classifier.ts";
import { appraise, evaluate } from "../../../runtime/serve/evaluate.ts";
import { merge } from "../../../runtime/serve/merge.ts";
import { adapt } from "../../../runtime/train/adapt.ts";
import type { AdaptOptions } from "../../../runtime/train/request.ts";
import type { Sample } from "../../../runtime/train/samples.ts";
import { type HeadOptions, networkWithHead } from "../derive/head-networks.ts";
import { noise, random, toyPackage } from "../toy.ts";

/** A package of a network that ends as int8 TFLite files do; its four classes have a rehearsal pack. */
function tfliteLike(options: Partial<HeadOptions> = {}): ModelPackage {
  const head = { head: "gemm", quantized: true, activation: "Softmax", quantizedAnswer: true, ...options } as const;
  const model = networkWithHead(head);
  const bytes = encodeModel(model);
  const hash = sha256(bytes);
  const toy = toyPackage();
  const next = random(5);
  const [{ outputs }] = model.graph.nodes as [(typeof model.graph.nodes)[0]];
  return {
    ...toy,
    path: "like-tflite",
    model,
    bytes,
    sha256: hash,
    card: { ...toy.card, id: "like-tflite", sha256: hash },
    rehearsal: {
      value: outputs[0]!,
      features: tensor(
        "uint8",
        [8, 2, 7, 6],
        Uint8Array.from({ length: 8 * 84 }, () => Math.floor(next() * 256)),
      ),
      labels: [0, 1, 2, 3, 0, 1, 2, 3],
    },
  };
}

/** Samples of classes that the network was not made for. */
function samplesOf(labels: readonly string[], each: number, seed: number): Sample[] {
  const next = random(seed);
  return labels.flatMap((label) => {
    const { dims, data } = noise([1, 2, 7, 6], random(label.length * 1000), 1.6);
    return Array.from({ length: each }, () => ({
      label,
      features: float32(
        dims,
        data.map((value) => value + (next() * 2 - 1) * 0.4),
      ),
    }));
  });
}

const OTHERS = ["yak", "zebra", "wombat", "capybara", "ox"];
const samples = samplesOf(OTHERS, 20, 1);
const test = samplesOf(OTHERS, 12, 2);
const quick = { epochs: 25, patience: 25, learningRate: 0.02, classes: "replace" } as const;

describe.each([
  ["uint8 activations", tfliteLike()],
  ["int8 activations", tfliteLike({ activations: "int8" })],
  ["one scale for all weights", tfliteLike({ weights: "uint8" })],
  ["a convolution as its head", tfliteLike({ head: "conv" })],
])("classes in the place of the model's own: %s", (_, model) => {
  it.each(["head", "head+bias", "bias", "scale", "lora", "sparse", "layerwise", "full", "adaptive"])(
    "are learnt with %s, and served as they were trained",
    async (method) => {
      const { adapter, decision, report } = await adapt({ ...quick, model, samples, method });
      expect(decision).toMatchObject({ accepted: true, reason: "OTHER_CLASSES_LEARNT" });
      expect(adapter.description).toMatchObject({ format: 2, replaced: true, classes: [...OTHERS].sort() });
      expect(report.before).toEqual({ accuracy: null, heldOut: null, rehearsal: null });
      expect(report.after.rehearsal).toBeNull();
      expect(Object.keys(report.after.heldOut!.perClass!).sort()).toEqual([...OTHERS].sort());
      const { accuracy, perClass } = await evaluate({ model, adapter, samples: test });
      expect(accuracy).toBeGreaterThan(0.8);
      expect(Object.keys(perClass)).toEqual([...OTHERS].sort());
    },
  );
});

describe("an adapter with classes of its own", () => {
  const model = tfliteLike();
  const options: AdaptOptions = { ...quick, model, samples, method: "head+bias" };
  let adapter: Adapter;
  beforeAll(async () => {
    adapter = (await adapt(options)).adapter;
  });

  it("starts from imprinted rows that tell them apart already", async () => {
    const { report } = await adapt({ ...options, epochs: 1, learningRate: 1e-12 });
    expect(report.after.accuracy).toBeGreaterThan(0.6);
    // Neither undecided, where it would be ln 5, nor surer than it is right.
    expect(report.after.heldOut!.loss).toBeLessThan(1.3);
  });

  it("finds what matters through the imprinted rows, though the base has none", async () => {
    const { adapter: sparse } = await adapt({ ...options, method: "sparse" });
    const chosen = sparse.description.plan!.filter(({ method }) => method === "sparse");
    expect(chosen.length).toBeGreaterThan(0);
    // Without a gradient all channels would be alike, and the first ones of each layer taken.
    const { adapter: other } = await adapt({
      ...options,
      method: "sparse",
      samples: samplesOf(["emu", "elk", "bee"], 20, 3),
    });
    expect(other.description.plan).not.toEqual(sparse.description.plan);
  });

  it("says with confidences finer than steps of 1/256 what it sees", async () => {
    const classifier = await createClassifier(model, { adapter });
    const answers = [];
    for (const { features } of test) answers.push(await classifier.classify(features as ReturnType<typeof float32>));
    await classifier.close();
    expect(classifier.labels).toEqual([...OTHERS].sort());
    for (const { probabilities } of answers) expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
    const steps = answers.flatMap(({ probabilities }) => [...probabilities].map((p) => p * 256));
    expect(steps.filter((step) => Math.abs(step - Math.round(step)) > 1e-3).length).toBeGreaterThan(50);
  });

  it("folds into a model that names them, which is a base like any other", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lichen-replaced-"));
    try {
      const file = join(folder, "merged.onnx");
      const card = { ...model.card, metrics: [{ name: "accuracy", value: 0.9, on: "classes that are gone" }] };
      await writeFile(file, await merge({ ...model, card }, adapter));
      const merged = await loadModel(file);
      expect(merged.card).toMatchObject({ labels: [...OTHERS].sort(), metrics: [] });
      expect(merged.card.rehearsal).toBeUndefined();
      const [folded, beside] = [
        await evaluate({ model: merged, samples: test }),
        await evaluate({ model, adapter, samples: test }),
      ];
      expect({ ...folded, millisecondsPerSample: 0 }).toEqual({ ...beside, millisecondsPerSample: 0 });
      const { classes: _, ...kept } = options;
      const onward = await adapt({ ...kept, model: merged, epochs: 2 });
      expect(onward.adapter.description).toMatchObject({ format: 1, classes: [...OTHERS].sort() });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("is gone on from, with its own classes and with more", async () => {
    const { classes: _, ...kept } = options;
    const again = await adapt({ ...kept, start: adapter, epochs: 3 });
    expect(again.adapter.description).toMatchObject({
      format: 2,
      replaced: true,
      classes: adapter.description.classes,
    });
    expect(again.report.before.heldOut!.accuracy).toBeGreaterThan(0.8);
    await expect(adapt({ ...options, start: adapter, epochs: 3 })).resolves.toBeDefined();

    const more = { samples: [...samples, ...samplesOf(["axolotl"], 30, 4)], start: adapter };
    await expect(adapt({ ...kept, ...more })).rejects.toMatchObject({ code: "UNKNOWN_CLASS" });
    await expect(adapt({ ...options, ...more })).rejects.toMatchObject({ code: "BAD_ARGUMENT" });
    const extended = await adapt({ ...options, ...more, classes: "extend" });
    expect(extended.decision).toMatchObject({ accepted: true, reason: "NEW_CLASSES" });
    expect(extended.adapter.description).toMatchObject({
      replaced: true,
      classes: [...adapter.description.classes, "axolotl"],
    });
    const { perClass } = await evaluate({
      model,
      adapter: extended.adapter,
      samples: [...test, ...samplesOf(["axolotl"], 10, 5)],
    });
    expect(Math.min(...Object.values(perClass).map(({ accuracy }) => accuracy))).toBeGreaterThan(0.7);
  });

  it("does not follow one that has the model's classes", async () => {
    const { classes: _, ...kept } = options;
    const own = samplesOf(["a", "b", "c", "d"], 10, 6);
    const start = (await adapt({ ...kept, samples: own, epochs: 2 })).adapter;
    await expect(adapt({ ...options, start })).rejects.toMatchObject({ code: "BAD_ARGUMENT" });
  });

  it("is not taken from a peer where something else serves, and is where it serves already", async () => {
    const base = await appraise({ model, candidate: adapter, samples: test });
    expect(base.decision).toMatchObject({ accepted: false, reason: "OTHER_CLASSES" });
    const { classes: _, ...kept } = options;
    const weak = await adapt({ ...options, epochs: 1, learningRate: 1e-12, method: "head+bias" });
    const peer = await appraise({ model, candidate: adapter, incumbent: weak.adapter, samples: test });
    expect(peer.decision).toMatchObject({ accepted: true, reason: "GAIN" });
    const own = await adapt({ ...kept, samples: samplesOf(["a", "b", "c", "d"], 10, 6), epochs: 2 });
    const back = await appraise({ model, candidate: own.adapter, incumbent: adapter, samples: [] });
    expect(back.decision).toMatchObject({ accepted: false, reason: "OTHER_CLASSES" });
  });

  it("averages with others of the same classes only", async () => {
    const other = (await adapt({ ...options, samples: samplesOf(OTHERS, 10, 7), epochs: 5 })).adapter;
    const mean = averageAdapters([adapter, other]);
    expect(mean.description).toMatchObject({ format: 2, replaced: true, classes: adapter.description.classes });
    expect((await evaluate({ model, adapter: mean, samples: test })).accuracy).toBeGreaterThan(0.8);
    const foreign = (await adapt({ ...options, samples: samplesOf(["emu", "elk"], 10, 8), epochs: 2 })).adapter;
    expect(() => averageAdapters([adapter, foreign])).toThrow(/AVERAGE_MISMATCH/);
  });

  it("is refused by what only knows format 1, and where format and classes disagree", () => {
    const claims = (from: string, to: string) => {
      const bytes = new TextDecoder("latin1").decode(adapter.bytes).replace(from, to);
      return () =>
        decodeAdapter(
          Uint8Array.from(bytes, (character) => character.charCodeAt(0)),
          "changed",
        );
    };
    expect(decodeAdapter(adapter.bytes, "as it is").description.replaced).toBe(true);
    expect(claims('format\\":2', 'format\\":1')).toThrow(/ADAPTER_CORRUPT.*format/);
    expect(claims('replaced\\"', 'displaced"'.slice(1))).toThrow(/ADAPTER_CORRUPT/);
    expect(claims('format\\":2', 'format\\":3')).toThrow(/ADAPTER_CORRUPT.*format/);
  });

  it.each([
    ["one class alone", { samples: samplesOf(["yak"], 20, 1) }, "ONE_CLASS"],
    ["no labels at all", { samples: samples.map((each) => ({ ...each, label: null })) }, "ONE_CLASS"],
    ["keeping the base's opinion", { distillation: 0.5 }, "BAD_ARGUMENT"],
    ["what has no classes", { loss: "reconstruction" as const }, "BAD_ARGUMENT"],
  ])("is not made of %s", async (_, change, code) => {
    await expect(adapt({ ...options, ...change })).rejects.toMatchObject({ code });
  });

  it("is not judged by classes that nothing trains", async () => {
    const heldOut = [...test, ...samplesOf(["axolotl"], 5, 5)];
    for (const classes of ["replace", "extend"] as const)
      await expect(adapt({ ...options, classes, heldOut })).rejects.toThrow(/UNKNOWN_CLASS.*axolotl/);
  });

  it("does not go on from what was interrupted where the same samples kept the model's classes", async () => {
    const own = samplesOf(["a", "b", "c", "d"], 10, 6);
    const interrupted = async (classes: "keep" | "replace") => {
      let saved: Uint8Array | undefined;
      const controller = new AbortController();
      const { rehearsal: _, ...bare } = model;
      const run = adapt({
        ...options,
        ...{ model: bare, samples: own, classes, epochs: 4, signal: controller.signal },
        checkpoint: {
          load: async () => null,
          save: async (bytes) => {
            saved = bytes;
            controller.abort();
          },
          clear: async () => {},
        },
      });
      await expect(run).rejects.toMatchObject({ code: "CANCELLED" });
      return decodeSafetensors(saved!, "checkpoint").metadata["lichen.checkpoint"]!;
    };
    const [kept, replaced] = [await interrupted("keep"), await interrupted("replace")].map(
      (description) => JSON.parse(description) as { run: { plan: string } },
    );
    expect(replaced!.run.plan).not.toBe(kept!.run.plan);
  });

  it("may have several labels a sample", async () => {
    const several = samples.map((each) => ({ ...each, label: [each.label as string] }));
    const { decision, report } = await adapt({ ...options, samples: several });
    expect(decision).toMatchObject({ accepted: true, reason: "GAIN" });
    expect(report.after.losses!.heldOut!.loss).toBeLessThan(0.2);
  });
});

describe("new classes beside those of a model whose logits and answers are quantized", () => {
  it.each([
    ["uint8 activations", tfliteLike({ step: 0.1 })],
    ["int8 activations", tfliteLike({ activations: "int8", step: 0.1 })],
  ])(
    "win where they are right, and the answers keep their confidence: %s",
    async (_, { rehearsal: _pack, ...model }) => {
      // What the base knows, since its weights are noise.
      const old = samplesOf(["a", "bb", "ccc", "dddd"], 30, 9).map((each, at) => ({
        ...each,
        label: "abcd"[Math.floor(at / 30)]!,
      }));
      const start = (await adapt({ ...quick, classes: "keep", model, samples: old, method: "head+bias" })).adapter;
      const { adapter, decision } = await adapt({
        ...quick,
        classes: "extend",
        model,
        start,
        samples: [...old, ...samplesOf(["zebra", "wombat"], 30, 4)],
        method: "head+bias",
      });
      expect(decision).toMatchObject({ accepted: true, reason: "NEW_CLASSES" });
      const { perClass } = await evaluate({ model, adapter, samples: samplesOf(["zebra", "wombat"], 12, 11) });
      expect(Math.min(perClass.zebra!.accuracy, perClass.wombat!.accuracy)).toBeGreaterThan(0.7);
      const grown = await createClassifier(model, { adapter });
      const { label, probabilities } = await grown.classify(
        samplesOf(["zebra"], 1, 12)[0]!.features as ReturnType<typeof float32>,
      );
      await grown.close();
      expect(label).toBe("zebra");
      expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
    },
  );
});
