import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Metrics } from "../../../runtime/adapter/adapter.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../../runtime/train/checkpoint.ts";
import { type FitOptions, type FitState, trainParameters } from "../../../runtime/train/fit.ts";
import type { Trainer } from "../../../runtime/train/trainer.ts";
import { openToyRun } from "./toy-run.ts";

const RUN = { base: "b", method: "head+bias", plan: "p" };

describe("a run on the toy model", () => {
  let toy: Awaited<ReturnType<typeof openToyRun>>;
  beforeAll(async () => {
    toy = await openToyRun();
  });
  afterAll(() => toy.close());

  const options = (seed: number): FitOptions => ({
    ...toy.fit,
    epochs: 6,
    learningRate: 0.02,
    patience: 6,
    random: seeded(seed),
  });

  it("interrupted after any epoch and taken up from its checkpoint, ends in the very same bits", async () => {
    for (const [seed, trainer] of [
      [1, toy.trainer],
      [2, divergingAbove(0.01, toy.trainer)],
    ] as const) {
      const files: Uint8Array[] = [];
      const whole = await trainParameters(trainer, {
        ...options(seed),
        onCheckpoint: (state) => void files.push(encodeCheckpoint(state, RUN)),
      });
      expect(whole.bestEpoch).toBeGreaterThan(1);
      expect(whole.learningRate).toBe(seed === 1 ? 0.02 : 0.005);
      // The epochs, and before them the start that divergence took back.
      expect(files).toHaveLength(seed === 1 ? 6 : 8);
      for (const file of files) {
        const again: Uint8Array[] = [];
        const resumed = await trainParameters(trainer, {
          ...options(seed + 100),
          resume: decodeCheckpoint(file, RUN, "test"),
          onCheckpoint: (state) => void again.push(encodeCheckpoint(state, RUN)),
        });
        expect(resumed).toEqual(whole);
        expect(again).toEqual(files.slice(files.indexOf(file) + 1));
      }
    }
  });

  it("stopped by a signal, leaves a checkpoint to go on from", async () => {
    const whole = await trainParameters(toy.trainer, options(5));
    const controller = new AbortController();
    let last: FitState | undefined;
    const stopped = trainParameters(toy.trainer, {
      ...options(5),
      signal: controller.signal,
      onCheckpoint: (state) => {
        last = state;
        if (state.epoch === 3) controller.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: "CANCELLED" });
    expect(last!.epoch).toBe(3);
    expect(await trainParameters(toy.trainer, { ...options(5), resume: last })).toEqual(whole);
  });

  it("gives the same bits in chunks as in one piece", async () => {
    const whole = await trainParameters(toy.trainer, options(3));
    let calls = 0;
    const loading: Trainer = {
      ...toy.trainer,
      epoch(state, chunk, rates) {
        calls++;
        expect(chunk.rows!.length).toBeLessThanOrEqual(20);
        return toy.trainer.epoch(state, chunk, rates);
      },
    };
    const chunked = await trainParameters(loading, { ...options(3), memory: { rows: toy.rows, most: 20 } });
    expect(calls).toBe(6 * 3);
    expect(chunked).toEqual(whole);
  });
});

/** Loses the run whenever the learning rate is above a limit, in the second epoch. */
const divergingAbove = (limit: number, trainer: Trainer): Trainer => ({
  ...trainer,
  async epoch(state, order, rates) {
    const result = await trainer.epoch(state, order, rates);
    const peak = Math.max(...(rates.data as Float32Array));
    return state.steps > 0 && peak > limit ? { ...result, loss: Number.NaN } : result;
  },
});

/** A trainer whose epochs have the losses given, one list for each start; its parameter counts the epochs. */
function scripted(...attempts: number[][]): Trainer & { rates: number[][] } {
  const rates: number[][] = [];
  let epoch = 0;
  return {
    rates,
    start(parameters) {
      rates.push([]);
      epoch = 0;
      return { values: parameters, steps: 0 };
    },
    async epoch(state, order, learningRates) {
      rates.at(-1)!.push(Math.max(...(learningRates.data as Float32Array)));
      const loss = attempts[rates.length - 1]![epoch++]!;
      const count = (state.values.count!.data[0] as number) + 1;
      return { loss, state: { values: { count: float32([1], [count]) }, steps: state.steps + order.steps } };
    },
    close: async () => {},
  };
}

const heldOut = (loss: number): Metrics => ({ heldOut: { samples: 10, accuracy: 0.5, loss }, rehearsal: null });

describe("the training loop", () => {
  const options = (scores: readonly number[], change: Partial<FitOptions> = {}): FitOptions => ({
    epochs: 6,
    learningRate: 0.04,
    schedule: "constant",
    patience: 10,
    batches: { local: [0, 1, 2], rehearsal: [], mix: 0, batch: 2 },
    start: { count: float32([1], [0]) },
    random: seeded(1),
    signal: undefined,
    score: async ({ count }) => heldOut(scores[count!.data[0] as number] ?? 1),
    onEpoch: () => {},
    ...change,
  });

  it("keeps the best epoch and stops when none better comes", async () => {
    const trainer = scripted([1, 1, 1, 1, 1, 1]);
    const fit = await trainParameters(trainer, options([1, 0.9, 0.5, 0.6, 0.7, 0.8], { patience: 2 }));
    expect(fit).toMatchObject({
      bestEpoch: 2,
      epochs: 4,
      metrics: heldOut(0.5),
      before: heldOut(1),
      learningRate: 0.04,
    });
    expect(fit.parameters.count!.data[0]).toBe(2);
  });

  it("keeps the start where nothing is better, and the latest where nothing is measured", async () => {
    const worse = await trainParameters(scripted([1, 1, 1, 1, 1, 1]), options([0.5]));
    expect(worse).toMatchObject({ bestEpoch: 0 });
    expect(worse.parameters.count!.data[0]).toBe(0);
    const score = async () => ({ heldOut: null, rehearsal: null });
    const blind = await trainParameters(scripted([1, 1, 1, 1, 1, 1]), options([], { score }));
    expect(blind.parameters.count!.data[0]).toBe(6);
  });

  it.each([
    ["a loss that is no number", [1, Number.NaN]],
    ["a loss three times the first one, twice", [1, 3.1, 3.1]],
  ])("starts again with a quarter of the rate after %s", async (_, first) => {
    const trainer = scripted(first, [1, 1, 1, 1, 1, 1]);
    const fit = await trainParameters(trainer, options([1, 0.9]));
    expect(fit).toMatchObject({ epochs: 6, learningRate: 0.01, bestEpoch: 1 });
    expect(trainer.rates.map((each) => Math.max(...each))).toEqual([0.04, 0.01].map(Math.fround));
  });

  it("bears a single high epoch, and high ones below what a guess would lose", async () => {
    expect(await trainParameters(scripted([1, 9, 1, 9, 1, 1]), options([]))).toMatchObject({ learningRate: 0.04 });
    const surely = scripted([0.01, 0.5, 0.5, 0.5, 0.5, 0.5]);
    expect(await trainParameters(surely, options([], { chance: 1.4 }))).toMatchObject({ learningRate: 0.04 });
  });

  it("sees a run that is lost from its first epoch on, by what the start or a guess would lose", async () => {
    const trainer = scripted([90, 80], [0.9, 0.9, 0.9, 0.9, 0.9, 0.9]);
    expect(await trainParameters(trainer, options([], { chance: 1.4 }))).toMatchObject({ learningRate: 0.01 });
  });

  it("takes parameters that are no numbers for divergence, even where nothing is measured", async () => {
    const trainer = scripted([1, 1], [1, 1]);
    const broken: Trainer = {
      ...trainer,
      async epoch(state, order, rates) {
        const result = await trainer.epoch(state, order, rates);
        const last = trainer.rates.length === 1 && result.state.values.count!.data[0] === 2;
        return last ? { ...result, state: { ...result.state, values: { count: float32([1], [Number.NaN]) } } } : result;
      },
    };
    const score = async () => ({ heldOut: null, rehearsal: null });
    const fit = await trainParameters(broken, options([], { score, epochs: 2 }));
    expect(fit).toMatchObject({ epochs: 2, learningRate: 0.01 });
  });

  it("gives up after two new starts, and says at which rate", async () => {
    const failing = trainParameters(scripted([Number.NaN], [Number.NaN], [Number.NaN]), options([]));
    await expect(failing).rejects.toMatchObject({ code: "DIVERGED", message: expect.stringContaining("0.0025") });
  });

  it("prefers predictions that are sure but not all alike, where there are no labels", async () => {
    const states = [
      { entropy: 1, marginalEntropy: 1.3 },
      { entropy: 0.5, marginalEntropy: 1.2 },
      { entropy: 0.01, marginalEntropy: 0.02 },
    ].map((each) => ({ heldOut: null, rehearsal: null, confidence: { samples: 20, topShare: 0.5, ...each } }));
    const score: FitOptions["score"] = async ({ count }) => states[count!.data[0] as number]!;
    expect(await trainParameters(scripted([1, 1]), options([], { score, epochs: 2 }))).toMatchObject({ bestEpoch: 1 });
  });
});

describe("a checkpoint", () => {
  const state: FitState = {
    epoch: 3,
    retries: 1,
    learningRate: 0.003,
    training: { values: { "a/bias": float32([2], [0.1, -0]), "mean:a/bias": float32([2], [1e-30, 3]) }, steps: 21 },
    best: { parameters: { "a/bias": float32([2], [0.3, 4]) }, metrics: heldOut(0.1 + 0.2), epoch: 2 },
    before: heldOut(1 / 3),
    random: 4294967295,
    high: 1,
    limit: 3.3,
  };
  const file = encodeCheckpoint(state, RUN);

  it("reads back as it was, to the bit", () => {
    expect(decodeCheckpoint(file, RUN, "test")).toEqual(state);
    expect(encodeCheckpoint(decodeCheckpoint(file, RUN, "test"), RUN)).toEqual(file);
  });

  it.each(["base", "method", "plan"])("of another %s is refused", (key) => {
    expect(() => decodeCheckpoint(file, { ...RUN, [key]: "other" }, "test")).toThrow(/CHECKPOINT_WRONG/);
  });

  it("with any bit flipped, cut anywhere, or made of noise, is known to be damaged", () => {
    const damaged = (bytes: Uint8Array) => {
      expect(() => decodeCheckpoint(bytes, RUN, "test")).toThrow(/CHECKPOINT_CORRUPT/);
    };
    fc.assert(
      fc.property(fc.nat(file.length * 8 - 1), (bit) => {
        const copy = file.slice();
        copy[bit >> 3]! ^= 1 << (bit & 7);
        damaged(copy);
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.nat(file.length - 1), (length) => damaged(file.slice(0, length))));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), damaged));
  });
});
