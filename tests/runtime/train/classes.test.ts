import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Adapter } from "../../../runtime/adapter/adapter.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { loadModel } from "../../../runtime/package/package.ts";
import { createClassifier } from "../../../runtime/serve/classifier.ts";
import { appraise, evaluate } from "../../../runtime/serve/evaluate.ts";
import { merge } from "../../../runtime/serve/merge.ts";
import { adapt } from "../../../runtime/train/adapt.ts";
import { noise, random, TOY, toyPackage, toySamples } from "../toy.ts";

const untrained = toyPackage();
const quick = { epochs: 40, patience: 40, learningRate: 0.02 } as const;

/** Samples of a class that the toy does not know. */
function samplesOf(label: string, count: number, seed: number) {
  const { dims, data } = noise([1, TOY.channels, TOY.height, TOY.width], random(label.length * 1000), 1.6);
  const next = random(seed);
  return Array.from({ length: count }, () => ({
    label,
    features: float32(
      dims,
      data.map((value) => value + (next() * 2 - 1) * 0.3),
    ),
  }));
}

describe("new classes", () => {
  let taught: Adapter;
  beforeAll(async () => {
    // What the base knows, since the toy's weights are noise: an adapter that has learnt the four classes.
    taught = (
      await adapt({
        model: untrained,
        samples: toySamples(120, 1),
        method: "head+bias",
        epochs: 80,
        patience: 80,
        learningRate: 0.02,
      })
    ).adapter;
  });

  it("are told apart better than by chance before anything is trained, by rows imprinted from their means", async () => {
    const samples = [...toySamples(40, 3), ...samplesOf("zebra", 50, 4), ...samplesOf("yak", 50, 5)];
    const { report } = await adapt({
      model: untrained,
      samples,
      method: "head+bias",
      start: taught,
      classes: "extend",
      epochs: 1,
      learningRate: 1e-12,
    });
    const perClass = report.after.heldOut!.perClass!;
    const right = (perClass.zebra!.correct + perClass.yak!.correct) / (perClass.zebra!.samples + perClass.yak!.samples);
    // Twenty held out; guessing among six would be right a sixth of the time.
    expect(right).toBeGreaterThanOrEqual(0.5);
    expect(report.before.heldOut!.perClass).not.toHaveProperty("zebra");
  });

  it.each(["head", "head+bias", "bias", "scale", "lora", "sparse"])(
    "are learnt with %s, and the old ones kept",
    async (method) => {
      const start = method === "head+bias" ? taught : undefined;
      const samples = [...toySamples(60, 3), ...samplesOf("zebra", 25, 4)];
      const { adapter, decision, report } = await adapt({
        ...quick,
        model: untrained,
        samples,
        method,
        classes: "extend",
        ...(start && { start }),
      });
      expect(decision).toMatchObject({ accepted: true, reason: "NEW_CLASSES" });
      expect(adapter.description.classes).toEqual(["a", "b", "c", "d", "zebra"]);
      expect(adapter.description.samplesPerClass.zebra).toBe(25);
      expect(report.after.heldOut!.perClass!.zebra!.samples).toBe(5);

      const test = [...toySamples(40, 8), ...samplesOf("zebra", 10, 9)];
      const evaluation = await evaluate({ model: untrained, adapter, samples: test });
      expect(evaluation.perClass.zebra!.accuracy).toBeGreaterThan(0.7);
      expect(Object.keys(evaluation.perClass)).toEqual(["a", "b", "c", "d", "zebra"]);
      if (start) {
        const before = await evaluate({ model: untrained, adapter: start, samples: test.slice(0, 40) });
        const after = await evaluate({ model: untrained, adapter, samples: test.slice(0, 40) });
        expect(after.accuracy).toBeGreaterThanOrEqual(before.accuracy - 0.05);
      }
    },
  );

  it("are learnt from an adapter that has some already, and the merged model says what it knows", async () => {
    const zebra = samplesOf("zebra", 25, 4);
    const first = await adapt({
      ...quick,
      model: untrained,
      samples: [...toySamples(60, 3), ...zebra],
      method: "head+bias",
      start: taught,
      classes: "extend",
    });
    const samples = [...toySamples(40, 6), ...zebra, ...samplesOf("gnu", 25, 5)];
    const { adapter, decision } = await adapt({
      ...quick,
      model: untrained,
      samples,
      method: "head+bias",
      start: first.adapter,
      classes: "extend",
    });
    expect(decision).toMatchObject({ accepted: true, reason: "NEW_CLASSES" });
    // Behind those that are there, so that no output changes its meaning.
    expect(adapter.description.classes).toEqual(["a", "b", "c", "d", "zebra", "gnu"]);
    expect(adapter.description.lineage.parents).toEqual([first.adapter.sha256]);
    const { perClass } = await evaluate({
      model: untrained,
      adapter,
      samples: [...samplesOf("zebra", 10, 11), ...samplesOf("gnu", 10, 12)],
    });
    expect(Math.min(perClass.zebra!.accuracy, perClass.gnu!.accuracy)).toBeGreaterThan(0.7);

    // The classes of the first are known now: without any new one nothing has to be allowed.
    const third = await adapt({ ...quick, epochs: 2, model: untrained, samples, method: "head+bias", start: adapter });
    expect(third.adapter.description.classes).toEqual(adapter.description.classes);

    const folder = await mkdtemp(join(tmpdir(), "lichen-merged-"));
    try {
      const file = join(folder, "merged.onnx");
      await writeFile(file, await merge(untrained, adapter));
      const merged = await loadModel(file);
      expect(merged.card.labels).toEqual(adapter.description.classes);
      const classifier = await createClassifier(merged);
      const { label, probabilities } = await classifier.classify(samplesOf("gnu", 1, 13)[0]!.features);
      await classifier.close();
      expect({ label, outputs: probabilities.length }).toEqual({ label: "gnu", outputs: 6 });
    } finally {
      await rm(folder, { recursive: true });
    }

    const { decision: peer } = await appraise({ model: untrained, samples, candidate: adapter, incumbent: taught });
    expect(peer).toMatchObject({ accepted: true, reason: "NEW_CLASSES" });
  });

  it("are refused where nobody has allowed them", async () => {
    const samples = [...toySamples(20, 3), ...samplesOf("zebra", 5, 4)];
    await expect(adapt({ ...quick, model: untrained, samples, method: "head" })).rejects.toMatchObject({
      code: "UNKNOWN_CLASS",
    });
  });

  it("that cannot be told from old ones are missed, and the gate says so", async () => {
    const twins = toySamples(80, 20)
      .filter(({ label }) => label === "a")
      .map(({ features }) => ({ label: "twin", features }));
    const samples = [...toySamples(60, 3), ...twins];
    const { decision } = await adapt({
      ...quick,
      epochs: 3,
      learningRate: 1e-5,
      model: untrained,
      samples,
      method: "head+bias",
      start: taught,
      classes: "extend",
    });
    expect(decision.accepted).toBe(false);
    expect(["NEW_CLASSES_MISSED", "FORGETS", "TOO_FEW_HELD_OUT"]).toContain(decision.reason);
  });
});
