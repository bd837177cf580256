import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeSafetensors } from "../../../runtime/adapter/safetensors.ts";
import { openSession, type Tensors } from "../../../runtime/execute/session.ts";
import {
  combine,
  LOSSES,
  type Loss,
  type LossInputs,
  type LossName,
  type LossOptions,
} from "../../../runtime/losses/index.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { float32, int64, type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";
import { noise, random } from "../toy.ts";

const reference = decodeSafetensors(
  readFileSync(new URL("reference.safetensors", import.meta.url)),
  "reference",
).tensors;

/** A value that PyTorch computed. @see scripts/references/losses.py */
function stored(name: string): Tensor {
  const value = reference.get(name);
  if (!value) throw new Error(`no reference value ${name}: run scripts/references/losses.py`);
  return value;
}

/** As plain numbers; a zero has no sign. */
const numbers = (value: Tensor): number[] => Array.from(value.data as Float32Array, (each) => Number(each) + 0);
const [SAMPLES, CLASSES, OLD] = [6, 5, 3];
const weights = numbers(stored("batch/class_weights"));
const positive = numbers(stored("batch/positive_weights"));

const CASES: [name: string, loss: LossName, options: LossOptions][] = [
  ["cross-entropy", "cross-entropy", {}],
  ["cross-entropy, smoothed", "cross-entropy", { labelSmoothing: 0.1 }],
  ["cross-entropy, weighted", "cross-entropy", { classWeights: weights }],
  ["cross-entropy, weighted and smoothed", "cross-entropy", { classWeights: weights, labelSmoothing: 0.1 }],
  ["bce", "bce", {}],
  ["bce, weighted", "bce", { classWeights: weights, positiveWeights: positive }],
  ["reconstruction", "reconstruction", {}],
  ["entropy", "entropy", {}],
  ["entropy of the sure", "entropy", { margin: 0.5 }],
  ["entropy, kept varied", "entropy", { diversity: 0.7 }],
  ["distillation of a grown head", "distillation", {}],
  ["distillation at another temperature", "distillation", { temperature: 3.5 }],
];

interface Run {
  loss: number;
  gradient: number[];
  correct: number;
}

type Feeds = Partial<Record<"logits" | "labels" | "targets" | "teacher" | "shares", Tensor>>;

/** The stored batch; for reconstruction, its pictures. */
const batchOf = (loss: LossName): Feeds & { logits: Tensor } => ({
  logits: stored(loss === "reconstruction" ? "batch/images" : "batch/logits"),
  labels: stored("batch/labels"),
  targets: stored(loss === "reconstruction" ? "batch/image_targets" : "batch/targets"),
  teacher: stored("batch/teacher"),
});

/** What a loss may read, under its own name. */
const FEEDS = { logits: "logits", shares: "shares", labels: "labels", targets: "targets", teacher: "teacher" } as const;

const evenShares = float32([SAMPLES], new Array(SAMPLES).fill(1 / SAMPLES));

/** A graph with a loss in it, as a function. */
async function open(build: (b: GraphBuilder, inputs: LossInputs) => Loss, classes: number) {
  const b = new GraphBuilder();
  for (const name of Object.values(FEEDS)) {
    const rank = name === "shares" || name === "labels" ? 1 : classes === CLASSES || name === "teacher" ? 2 : 4;
    b.input(
      name,
      name === "labels" ? "int64" : "float32",
      Array.from({ length: rank }, (_, at) => `${name}_${at}`),
    );
  }
  const inputs = { ...FEEDS, classes };
  const loss = build(b, { ...inputs, teacherClasses: OLD });
  const keys = ["loss", "gradient", "correct"] as const;
  for (const key of keys) {
    b.alias(`the_${key}`, loss[key]);
    b.output(`the_${key}`);
  }
  const session = await openSession(asModel(b.build("loss")));
  return {
    async run(values: Feeds & { logits: Tensor }): Promise<Run> {
      const all = { shares: evenShares, ...batchOf("entropy"), ...values } as Tensors;
      const results = await session.run(all);
      const [value, gradient, correct] = keys.map((key) => results[`the_${key}`]!);
      expect(gradient!.dims).toEqual(values.logits.dims);
      expect(value!.dims).toEqual([]);
      expect(correct!.dims).toEqual([]);
      return { loss: numbers(value!)[0]!, gradient: numbers(gradient!), correct: Number(correct!.data[0]) };
    },
    close: () => session.close(),
  };
}

const openLoss = (loss: LossName, options: LossOptions = {}) =>
  open((b, inputs) => LOSSES[loss].build(b, { ...inputs, options }), loss === "reconstruction" ? 12 : CLASSES);

const error = (found: readonly number[], wanted: readonly number[]): number =>
  Math.max(...found.map((value, at) => Math.abs(value - wanted[at]!))) / Math.max(1e-6, ...wanted.map(Math.abs));

describe.each(CASES)("%s", (name, loss, options) => {
  it("has PyTorch's value and gradient, to 1e-5", async () => {
    const opened = await openLoss(loss, options);
    const found = await opened.run(batchOf(loss));
    expect(error([found.loss], numbers(stored(`${name}/loss`)))).toBeLessThan(1e-5);
    expect(error(found.gradient, numbers(stored(`${name}/gradient`)))).toBeLessThan(1e-5);
    await opened.close();
  });

  it("gives samples without a share no part in anything", async () => {
    const opened = await openLoss(loss, options);
    const shares = float32([SAMPLES], [0.5, 0.25, 0, 0.25, 0, 0]);
    const batch = batchOf(loss);
    const row = batch.logits.data.length / SAMPLES;
    const others = float32(
      batch.logits.dims,
      numbers(batch.logits).map((value, at) => ([0, 1, 3].includes(Math.floor(at / row)) ? value : -3 * value)),
    );
    const one = await opened.run({ ...batch, shares });
    expect(await opened.run({ ...batch, shares, logits: others })).toEqual(one);
    expect(one.gradient.slice(2 * row, 3 * row).every((value) => value === 0)).toBe(true);
    const none = await opened.run({ ...batch, shares: float32([SAMPLES], new Array(SAMPLES).fill(0)) });
    expect(none.loss).toBeCloseTo(0, 12);
    expect(none.gradient.every((value) => value === 0)).toBe(true);
    expect(none.correct).toBe(0);
    await opened.close();
  });

  it("stays finite, and its gradient bounded, at logits of ±80", async () => {
    const opened = await openLoss(loss, options);
    const batch = batchOf(loss);
    const extreme = (value: Tensor) =>
      float32(
        value.dims,
        numbers(value).map((_, at) => [80, -80, 0, -80, 80, 80, 80][at % 7]!),
      );
    const hard = {
      logits: extreme(batch.logits),
      teacher: extreme(batch.teacher!),
      targets: extremeTargets(batch.targets!),
    };
    const found = await opened.run({ ...batch, ...hard });
    expect(Number.isFinite(found.loss)).toBe(true);
    expect(found.loss).toBeGreaterThanOrEqual(0);
    expect(found.gradient.every((value) => Math.abs(value) <= 80)).toBe(true);
    await opened.close();
  });
});

// What weighs the sure takes no gradient, so that differences would see more than there is to be: PyTorch's detached one is its oracle.
it.each(CASES.filter(([, , { margin }]) => margin === undefined))(
  "%s has the gradient that finite differences have, to 1e-4, with uneven shares",
  async (_, loss, options) => {
    const opened = await openLoss(loss, options);
    const shares = float32([SAMPLES], [0.4, 0, 0.1, 0.25, 0.05, 0.2]);
    const batch = { ...batchOf(loss), shares };
    const { gradient } = await opened.run(batch);
    const direction = noise(batch.logits.dims, random(5)).data;
    const along = (step: number) =>
      float32(
        batch.logits.dims,
        numbers(batch.logits).map((value, at) => value + step * direction[at]!),
      );
    const slope = async (step: number) =>
      ((await opened.run({ ...batch, logits: along(step) })).loss -
        (await opened.run({ ...batch, logits: along(-step) })).loss) /
      (2 * step);
    // Richardson's extrapolation, since float32 needs a large step.
    const measured = (4 * (await slope(0.04)) - (await slope(0.08))) / 3;
    const predicted = gradient.reduce((sum, value, at) => sum + value * direction[at]!, 0);
    const scale = Math.hypot(...gradient) * Math.hypot(...direction);
    expect(Math.abs(measured - predicted) / scale).toBeLessThan(1e-4);
    await opened.close();
  },
);

const extremeTargets = (value: Tensor) =>
  float32(
    value.dims,
    numbers(value).map((_, at) => at % 2),
  );

it("cross-entropy counts the samples it got right, and no others", async () => {
  const opened = await openLoss("cross-entropy");
  const rows = [0, 1, 2, 3, 4, 0].map((best) => Array.from({ length: CLASSES }, (_, at) => (at === best ? 2 : 0)));
  const logits = float32([SAMPLES, CLASSES], rows.flat());
  const labels = int64([0, 1, 0, 0, 4, 0]);
  expect((await opened.run({ logits, labels })).correct).toBe(4);
  expect((await opened.run({ logits, labels, shares: float32([6], [0, 0.5, 0.5, 0, 0, 0]) })).correct).toBe(1);
  await opened.close();
});

it("distillation is nothing where the student says what the teacher says, whatever the new classes say", async () => {
  const opened = await openLoss("distillation");
  const teacher = stored("batch/teacher");
  const rows = Array.from({ length: SAMPLES }, (_, at) => [...numbers(teacher).slice(at * OLD, (at + 1) * OLD), 9, -9]);
  const found = await opened.run({ logits: float32([SAMPLES, CLASSES], rows.flat()), teacher });
  expect(found.loss).toBeCloseTo(0, 6);
  expect(Math.max(...found.gradient.map(Math.abs))).toBeLessThan(1e-6);
  await opened.close();
});

it("losses add up, each on the samples of its own", async () => {
  const shares = { labelled: [0.5, 0.5, 0, 0, 0, 0], pack: [0, 0, 0.5, 0.5, 0, 0], unlabelled: [0, 0, 0, 0, 0.5, 0.5] };
  const parts: [LossName, number, number[]][] = [
    ["cross-entropy", 1, shares.labelled],
    ["distillation", 0.5, shares.pack],
    ["entropy", 0.1, shares.unlabelled],
  ];
  const opened = await open(
    (b, inputs) =>
      combine(
        b,
        parts.map(([name, weight, own]) => ({
          weight,
          loss: LOSSES[name].build(b, { ...inputs, shares: b.constant("own", float32([SAMPLES], own)) }),
        })),
      ),
    CLASSES,
  );
  const together = await opened.run(batchOf("entropy"));
  let loss = 0;
  const gradient = new Array<number>(SAMPLES * CLASSES).fill(0);
  for (const [name, weight, own] of parts) {
    const alone = await openLoss(name);
    const found = await alone.run({ ...batchOf(name), shares: float32([SAMPLES], own) });
    loss += weight * found.loss;
    for (const [at, value] of found.gradient.entries()) gradient[at]! += weight * value;
    if (name === "cross-entropy") expect(together.correct).toBe(found.correct);
    await alone.close();
  }
  expect(together.loss).toBeCloseTo(loss, 5);
  expect(error(together.gradient, gradient)).toBeLessThan(1e-6);
  await opened.close();
});

it.each(Object.keys(LOSSES) as LossName[])("%s can be an output of a Loop, as epoch.onnx has it", async (name) => {
  const outer = new GraphBuilder();
  for (const [input, value] of Object.entries({ ...batchOf(name), shares: evenShares })) {
    outer.input(input, value.type, value.dims);
  }
  const b = new GraphBuilder({ outer });
  b.input("iteration", "int64", []);
  const go = b.input("go_on", "bool", []);
  const classes = name === "reconstruction" ? 12 : CLASSES;
  const inputs = { ...FEEDS, classes };
  const loss = LOSSES[name].build(b, { ...inputs, teacherClasses: OLD });
  b.output(b.add("Identity", [go]));
  b.output(loss.loss);
  b.output(loss.correct);
  const trips = outer.constant("trips", tensor("int64", [], BigInt64Array.of(3n)));
  const keep = outer.constant("keep", tensor("bool", [], Uint8Array.of(1)));
  for (const value of outer.addMany("Loop", [trips, keep], 2, { body: b.build("body") })) outer.output(value);
  const session = await openSession(asModel(outer.build("loop")));
  const feeds = { ...batchOf(name), shares: evenShares } as Tensors;
  for (const value of Object.values(await session.run(feeds))) expect(value.dims).toEqual([3]);
  await session.close();
});
