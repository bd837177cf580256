import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { runOfflinePlan } from "../../../device/offline/plan.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import { DEFAULT_BUDGET } from "../../../runtime/plan/index.ts";
import { toyModel } from "../../runtime/toy.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const packaged = path.join(root, "models/spoken-digits");

async function bareModel(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "lichen plan "));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = path.join(folder, "bare.onnx");
  await writeFile(file, encodeModel(toyModel()));
  return file;
}

it("plans for the samples that are there: those that train, and their share of the rehearsal pack", async () => {
  const data = path.join(root, "scripts/demo/recordings/board-a/train");
  const found = await runOfflinePlan({
    model: packaged,
    method: "bias+scale",
    data,
    targets: ["last:2"],
    epochs: 3,
    budget: {},
  });
  expect(found).toMatchObject({
    schema: "lichen/plan/1",
    method: "bias+scale",
    samples: 80,
    // Four fifths of 80 train, and half as many of the pack go along: 96 rows, 16 a step.
    stepsPerEpoch: 6,
    epochs: 3,
    excesses: [],
    nearest: null,
    inference: 3_848_320,
  });
  expect(found.targets).toEqual([
    { at: "conv13", methods: ["bias", "scale"], parameters: 256 },
    { at: "logits", methods: ["bias", "scale"], parameters: 20 },
  ]);
  expect(found.prediction.seconds!.step).toBeCloseTo(found.measured.secondsPerStep, 9);
  expect(found.prediction.seconds!.training).toBeCloseTo(3 * 6 * found.measured.secondsPerStep, 6);
});

it("a bare model will do, with a number of samples; but not to read samples with", async () => {
  const model = await bareModel();
  const few = await runOfflinePlan({ model, method: "bias", samples: 10, budget: {} });
  const many = await runOfflinePlan({ model, method: "bias", samples: 1000, budget: {} });
  expect([few.samples, few.stepsPerEpoch, many.stepsPerEpoch]).toEqual([10, 1, 50]);
  expect(many.prediction.parts.cache).toBe(100 * few.prediction.parts.cache);
  await expect(runOfflinePlan({ model, method: "bias", data: root, budget: {} })).rejects.toThrow(
    /^BAD_ARGUMENT: .*bare model.*--samples/,
  );
});

it("says what is over the budget, and what would fit", async () => {
  const model = await bareModel();
  const whole = await runOfflinePlan({ model, method: "bias", budget: {} });
  const budget = { adapterBytes: whole.prediction.adapterBytes - 1 };
  const found = await runOfflinePlan({ model, method: "bias", budget });
  expect(found.excesses).toMatchObject([{ what: "adapter" }]);
  expect(found.refusal).toMatchObject({ code: "BUDGET_EXCEEDED", message: expect.stringContaining("train what fits") });
  expect(found.targets).toHaveLength(4);
  expect(found.nearest!.targets.map(({ at }) => at)).toEqual(["depthwise", "pointwise", "head"]);
  expect(found.nearest!.prediction.adapterBytes).toBeLessThanOrEqual(budget.adapterBytes);
});

describe("adaptive", () => {
  const data = path.join(root, "scripts/demo/recordings/board-a/train");

  it("chooses by the samples, and says what it chose and what it would choose next", async () => {
    const budget = { adapterBytes: 20_000, memoryBytes: 4 * 2 ** 20 };
    const found = await runOfflinePlan({ model: packaged, method: "adaptive", data, budget });
    expect(found).toMatchObject({ method: "adaptive", importance: "measured", excesses: [], refusal: null, budget });
    expect(found.prediction.adapterBytes).toBeLessThanOrEqual(budget.adapterBytes);
    expect(found.prediction.trainingStateBytes).toBeLessThanOrEqual(budget.memoryBytes);
    const { layers, depths, next } = found.explanation!;
    expect(layers.map(({ at }) => at)).toEqual(found.targets.map(({ at }) => at));
    expect(layers.at(-1)).toMatchObject({ at: "logits" });
    expect(layers.length).toBeGreaterThan(1);
    expect(Math.max(...depths.map(({ gain }) => gain))).toBeGreaterThan(0);
    expect(next.length).toBeGreaterThan(0);
    const free = await runOfflinePlan({ model: packaged, method: "adaptive", data, budget: {} });
    // These recordings are far from what the base knows: it may take all that a small board can spare.
    expect(free.prediction.trainableParameters).toBeGreaterThan(found.prediction.trainableParameters);
    const { inferences: _, ...spare } = DEFAULT_BUDGET;
    expect(free.budget).toEqual(spare);
  });

  it("takes all channels to be alike where there are no samples, and says so", async () => {
    const found = await runOfflinePlan({ model: await bareModel(), method: "adaptive", budget: {} });
    expect(found.importance).toBe("assumed");
    expect((await runOfflinePlan({ model: packaged, method: "bias", budget: {} })).importance).toBeNull();
  });

  it("keeps to seconds, which only this machine can tell", async () => {
    const budget = { seconds: 0.001 };
    const found = await runOfflinePlan({ model: packaged, method: "adaptive", samples: 10_000, budget });
    expect(found.targets.map(({ at }) => at)).toEqual(["logits"]);
    expect(found.excesses).toMatchObject([{ what: "seconds" }]);
    expect(found.refusal).toMatchObject({ code: "BUDGET_EXCEEDED", message: expect.stringMatching(/allow it more/) });
  });
});

it("of other classes the head is planned as the folders make it", async () => {
  const data = await mkdtemp(path.join(tmpdir(), "lichen plan "));
  onTestFinished(() => rm(data, { recursive: true }));
  const recordings = path.join(root, "scripts/demo/recordings/board-a/train");
  for (const [kind, word] of Object.entries({ low: "one", middle: "four", high: "nine" }))
    await cp(path.join(recordings, word), path.join(data, kind), { recursive: true });
  const asked = { model: packaged, method: "head", data, budget: {} } as const;
  const parameters = async (classes: "extend" | "replace") =>
    (await runOfflinePlan({ ...asked, classes })).prediction.trainableParameters;
  // 128 numbers and a bias for each class: three of them, or three beside the ten.
  expect([await parameters("replace"), await parameters("extend")]).toEqual([3 * 129, 13 * 129]);
  // As adapt does it: a head of new classes trains whatever else does; where the old ones are gone, nothing is rehearsed.
  const replaced = await runOfflinePlan({ ...asked, method: "bias", classes: "replace" });
  expect(replaced).toMatchObject({ method: "head+bias", samples: 24, rows: 20, stepsPerEpoch: 2 });
  await expect(
    runOfflinePlan({ model: packaged, method: "head", classes: "extend", budget: {} }),
  ).rejects.toMatchObject({
    code: "BAD_ARGUMENT",
    details: { at: "--classes extend" },
  });
});
