import { cp, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import * as z from "zod";
import { type OfflineAdaptOptions, type OfflineAdaptWatch, runOfflineAdapt } from "../../../device/offline/adapt.ts";
import { runOfflineEval } from "../../../device/offline/eval.ts";
import { checkpointOf } from "../../../device/offline/resumable.ts";
import { GATE_REASONS, type GateReason } from "../../../runtime/index.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const model = path.join(root, "models/spoken-digits");
const recordings = path.join(root, "scripts/demo/recordings/board-a");
const [train, test] = [path.join(recordings, "train"), path.join(recordings, "test")];

const quiet: OfflineAdaptWatch = { progress: () => undefined, note: () => undefined };

async function folder(): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), "lichen adapt "));
  onTestFinished(() => rm(made, { recursive: true }));
  return made;
}

/** Adapts with little, since what is learnt is not what is tested. */
async function run(
  options: Partial<OfflineAdaptOptions>,
  watch: Partial<OfflineAdaptWatch> = {},
  signal?: AbortSignal,
) {
  const asked = { model, data: train, out: path.join(await folder(), "a.safetensors"), ...options };
  const quick = { epochs: 2, learningRate: 0.01, ...asked };
  return runOfflineAdapt(quick, { ...quiet, ...watch }, signal);
}

/** Copies class folders under names of the test's own. */
async function dataset(places: Readonly<Record<string, string>>): Promise<string> {
  const made = await folder();
  for (const [to, from] of Object.entries(places))
    await cp(path.join(train, from), path.join(made, to), { recursive: true });
  return made;
}

describe("what scripts read", () => {
  const share = z.number().min(0).max(1);
  const count = z.int().nonnegative();
  const seconds = z.number().nonnegative();
  const reasons = z.enum(Object.keys(GATE_REASONS) as [GateReason, ...GateReason[]]);

  it("of adapt keeps its schema", async () => {
    const schema = z.object({
      schema: z.literal("lichen/adapt/1"),
      method: z.literal("head+bias"),
      trainableParameters: count.positive(),
      adapterBytes: count.positive(),
      frontier: z.array(z.string()).min(1),
      before: z.object({ accuracy: share }),
      after: z.object({ accuracy: share }),
      epochs: z.literal(2),
      seconds: z.object({ cache: seconds, train: seconds.positive(), total: seconds.positive() }),
      trainingStateBytes: z.object({ predicted: count, measured: count }),
      peakRssBytes: count.positive(),
      gate: z.object({ accepted: z.boolean(), reason: reasons, explanation: z.string() }),
      out: z.string(),
      sha256: z.string().length(64),
      data: z.object({ samples: count.positive(), recordings: count.positive() }),
      bestEpoch: count,
      learningRate: z.literal(0.01),
      newClasses: z.array(z.string()).length(0),
      replaced: z.literal(false),
    });
    const result = JSON.parse(JSON.stringify(await run({})));
    expect(schema.safeParse(result).error).toBeUndefined();
    expect(result.seconds.total).toBeGreaterThanOrEqual(result.seconds.cache + result.seconds.train);
  });

  it("of eval keeps its schema", async () => {
    const schema = z.object({
      schema: z.literal("lichen/eval/1"),
      adapter: z.null(),
      measured: z.literal("cross-entropy"),
      recordings: z.literal(60),
      accuracy: share,
      loss: z.number().positive(),
      samples: z.literal(60),
      perClass: z.record(z.string(), z.object({ samples: z.literal(6), accuracy: share })),
      newClasses: z.null(),
      millisecondsPerSample: z.number().positive(),
    });
    const result = JSON.parse(JSON.stringify(await runOfflineEval({ model, data: test })));
    expect(schema.safeParse(result).error).toBeUndefined();
    expect(Object.keys(result.perClass)).toHaveLength(10);
  });
});

describe("what is learnt", () => {
  it("without labels only scales and biases, unless another method is asked for", async () => {
    const data = await dataset({ _unlabelled: "one", stray: "two" });
    await cp(path.join(data, "stray"), data, { recursive: true });
    await rm(path.join(data, "stray"), { recursive: true });
    const result = await run({ data });
    expect(result.method).toBe("bias+scale");
    expect(result.after.confidence!.samples).toBeGreaterThan(0);
    expect(result.after.heldOut).toBeNull();
    expect((await run({ data, method: "bias" })).method).toBe("bias");
  });

  it("with labels too, when they are not to be looked at", async () => {
    const result = await run({ data: await dataset({ one: "one", two: "two" }), loss: "entropy" });
    expect([result.method, result.after.heldOut]).toEqual(["bias+scale", null]);
  });

  it("several classes of a sample, by folders whose names are joined", async () => {
    const data = await dataset({ "one+two": "one", three: "three", _none: "four" });
    const result = await run({ data, loss: "bce" });
    expect(result.after.losses!.heldOut!.loss).toBeLessThan(result.before.losses!.heldOut!.loss);
    const measured = await runOfflineEval({ model, data, adapter: result.out, loss: "bce" });
    expect(measured).toMatchObject({ measured: "bce", accuracy: null, samples: 24, perClass: null });

    await expect(run({ data })).rejects.toThrow(/^UNKNOWN_CLASS/);
    await cp(path.join(train, "one"), path.join(data, "_unlabelled"), { recursive: true });
    await expect(run({ data, loss: "bce" })).rejects.toThrow(/^BAD_ARGUMENT: .*without a label.*_none/);
  });

  it("new classes, which are told apart from old ones", async () => {
    const data = await dataset({ one: "one", two: "two", hello: "three" });
    await expect(run({ data })).rejects.toThrow(/^UNKNOWN_CLASS/);
    const result = await run({ data, classes: "extend" });
    expect(result.newClasses).toEqual(["hello"]);
    expect(result.after.heldOut!.perClass).toHaveProperty("hello");
    const evaluated = await runOfflineEval({ model, data, adapter: result.out });
    expect(evaluated).toMatchObject({ newClasses: { names: ["hello"], old: { samples: 16 }, new: { samples: 8 } } });
    if (evaluated.measured !== "cross-entropy") throw new Error(evaluated.measured);
    const { newClasses, perClass, accuracy } = evaluated;
    expect(newClasses!.new.accuracy).toBe(perClass.hello!.accuracy);
    expect((newClasses!.old.accuracy! * 16 + newClasses!.new.accuracy! * 8) / 24).toBeCloseTo(accuracy, 9);
    const onward = await run({ data, start: result.out });
    expect(onward).toMatchObject({ newClasses: [], method: result.method });
  });
});

it("other classes in the place of the model's own", async () => {
  const data = await dataset({ first: "one", second: "two", third: "three" });
  const result = await run({ data, classes: "replace" });
  expect(result).toMatchObject({ newClasses: ["first", "second", "third"], replaced: true });
  expect(Object.keys(result.after.heldOut!.perClass!)).toEqual(["first", "second", "third"]);
  const evaluated = await runOfflineEval({ model, data, adapter: result.out });
  expect(evaluated).toMatchObject({ measured: "cross-entropy", newClasses: null });
  expect(Object.keys(evaluated.perClass!)).toEqual(["first", "second", "third"]);
});

describe("within a budget", () => {
  it("adaptive chooses what fits, and another method is refused with what would", async () => {
    const budget = { adapterBytes: 8000 };
    const { method, adapterBytes, explanation } = await run({ method: "adaptive", budget });
    expect(method).toBe("adaptive");
    expect(explanation!.layers.at(-1)!.at).toBe("logits");
    expect(adapterBytes).toBeLessThanOrEqual(8000);
    const out = path.join(await folder(), "a.safetensors");
    await expect(run({ method: "bias+scale", budget, out })).rejects.toThrow(/^BUDGET_EXCEEDED: .*adapter.*what fits/);
    await expect(stat(out)).rejects.toThrow("ENOENT");
  });
});

describe("an interrupted run", () => {
  const epochs = 6;

  it("goes on where it stopped, and ends in the same bytes", async () => {
    vi.stubEnv("SOURCE_DATE_EPOCH", "1700000000");
    onTestFinished(() => void vi.unstubAllEnvs());
    const whole = await run({ epochs });
    const out = path.join(await folder(), "a.safetensors");
    await stopped(out, 3);
    await expect(stat(out)).rejects.toThrow("ENOENT");

    const notes: string[] = [];
    const done: number[] = [];
    const resumed = await run(
      { epochs, out },
      {
        note: (text) => notes.push(text),
        progress: (progress) => progress.phase === "train" && done.push(progress.done),
      },
    );
    expect(notes).toEqual([`goes on after epoch 3 of 6, from ${checkpointOf(out)}`]);
    expect(done).toEqual([4, 5, 6]);
    expect(resumed.sha256).toBe(whole.sha256);
    expect(await readFile(out)).toEqual(await readFile(whole.out));
    await expect(stat(checkpointOf(out))).rejects.toThrow("ENOENT");
  });

  it("begins anew where that is asked for, or where it is another run; and says so", async () => {
    const out = path.join(await folder(), "a.safetensors");
    const notes: string[] = [];
    const note = (text: string) => void notes.push(text);
    await stopped(out, 1);
    await run({ epochs, out, fresh: true }, { note });
    expect(notes).toEqual([]);
    await stopped(out, 1);
    await run({ epochs, out, seed: 7 }, { note });
    await writeFile(checkpointOf(out), "no checkpoint");
    await run({ epochs, out }, { note });
    expect(notes).toEqual(Array(2).fill(expect.stringMatching(/^begins anew: .*of another run, or damaged/)));
  });

  /** A run that is stopped after an epoch. */
  async function stopped(out: string, epoch: number): Promise<void> {
    const controller = new AbortController();
    const progress: OfflineAdaptWatch["progress"] = ({ phase, done }) => {
      if (phase === "train" && done === epoch) controller.abort();
    };
    await expect(run({ epochs, out }, { progress }, controller.signal)).rejects.toThrow(
      /^CANCELLED: .*give the same command again: .*\.checkpoint/,
    );
    expect((await stat(checkpointOf(out))).size).toBeGreaterThan(0);
  }
});

it("a place where nothing can be written is refused before the work", async () => {
  const file = path.join(await folder(), "file");
  await writeFile(file, "");
  const progress = vi.fn();
  await expect(run({ out: path.join(file, "a.safetensors") }, { progress })).rejects.toThrow(/^STORAGE_FAILED/);
  expect(progress).not.toHaveBeenCalled();
});
