import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { type Run, runOfflineCompare, spreadOf, summarize } from "../../../device/offline/compare.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const model = path.join(root, "models/spoken-digits");
const recordings = path.join(root, "scripts/demo/recordings/board-a");

async function folder(): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), "lichen compare "));
  onTestFinished(() => rm(made, { recursive: true }));
  return made;
}

it("puts methods side by side, tells why one cannot be run, and draws the others", async () => {
  const svg = path.join(await folder(), "plot.svg");
  const shown = new Set<string>();
  const result = await runOfflineCompare(
    {
      model,
      data: path.join(recordings, "train"),
      val: path.join(recordings, "test"),
      methods: ["head", "magic", "bias"],
      epochs: 2,
      seeds: 2,
      svg,
    },
    ({ phase }, of) => shown.add(`${of}: ${phase}`),
  );
  expect(result).toMatchObject({
    schema: "lichen/compare/1",
    model: "spoken-digits",
    samples: 80,
    measuredOn: { samples: 60, from: "val" },
    seeds: 2,
    methods: [{ method: "head" }, { method: "bias" }],
    failed: [{ method: "magic", code: "UNKNOWN_METHOD" }],
  });
  for (const { method, accuracy, trainableParameters, adapterBytes, epochs, seconds } of result.methods) {
    expect(accuracy.values).toHaveLength(2);
    expect(accuracy.mean).toBeGreaterThan(result.base.accuracy!);
    expect(adapterBytes).toBeGreaterThan(4 * trainableParameters);
    expect(epochs.mean).toBe(2);
    expect(seconds.total.mean).toBeGreaterThan(seconds.train.mean);
    expect(await readFile(svg, "utf8")).toContain(`>${method}</text>`);
  }
  expect([...shown]).toContain("bias, seed 2 of 2: train");
});

it("measures on what was held out of the data where nothing else is given", async () => {
  const data = path.join(recordings, "test");
  const result = await runOfflineCompare({ model, data, methods: ["head"], epochs: 1 }, () => undefined);
  expect(result).toMatchObject({ samples: 60, measuredOn: { from: "held out of data" }, svg: null });
  expect(result.measuredOn.samples).toBeLessThan(60);
});

it("leaves out what takes more than it may, and says so", async () => {
  const data = path.join(recordings, "test");
  const budget = { adapterBytes: 8000 };
  const methods = ["bias", "full", "adaptive"];
  const result = await runOfflineCompare({ model, data, methods, budget, epochs: 1 }, () => undefined);
  expect(result.methods.map(({ method }) => method)).toEqual(["bias", "adaptive"]);
  expect(result.failed).toMatchObject([{ method: "full", code: "BUDGET_EXCEEDED" }]);
});

it("has nothing to say where no method can be run", async () => {
  const data = path.join(recordings, "test");
  await expect(runOfflineCompare({ model, data, methods: ["magic"] }, () => undefined)).rejects.toThrow(
    /^BAD_ARGUMENT: .*UNKNOWN_METHOD/,
  );
});

it("stops when it is told to", async () => {
  const data = path.join(recordings, "test");
  const aborted = AbortSignal.abort();
  await expect(runOfflineCompare({ model, data }, () => undefined, aborted)).rejects.toThrow(/^CANCELLED/);
});

it("seeds become means and deviations, and the most of what has to be provided for", () => {
  const run = (accuracy: number, bytes: number, accepted: boolean): Run => ({
    base: { accuracy: 0.5, samples: 10 },
    accuracy,
    trainableParameters: bytes / 4,
    adapterBytes: bytes,
    epochs: 3,
    seconds: { cache: 1, train: 2, total: 3 },
    trainingStateBytes: { predicted: bytes * 10, measured: bytes * 9 },
    accepted,
  });
  expect(summarize("sparse", [run(0.8, 400, true), run(0.9, 800, false), run(1, 600, true)])).toMatchObject({
    accuracy: { mean: expect.closeTo(0.9), deviation: expect.closeTo(0.1) },
    trainableParameters: 200,
    adapterBytes: 800,
    epochs: { mean: 3, deviation: 0 },
    trainingStateBytes: { predicted: 8000, measured: 7200 },
    accepted: 2,
  });
  expect(spreadOf([0.7])).toEqual({ mean: 0.7, deviation: 0, values: [0.7] });
});

it("of classes that the base does not have, there is nothing to compare with but each other", async () => {
  const data = await folder();
  for (const [kind, words] of Object.entries({ low: ["one", "two", "three"], high: ["seven", "eight", "nine"] })) {
    for (const word of words)
      await cp(path.join(recordings, "train", word), path.join(data, kind), { recursive: true });
  }
  const asked = { model, data, methods: ["head"], epochs: 3 };
  const result = await runOfflineCompare(
    { ...asked, classes: "replace", svg: path.join(await folder(), "plot.svg") },
    () => undefined,
  );
  expect(result.base.accuracy).toBeNull();
  expect(result.methods[0]!.accuracy.mean).toBeGreaterThan(0.5);
  const refused = runOfflineCompare(asked, () => undefined);
  await expect(refused).rejects.toThrow("UNKNOWN_CLASS");
});
