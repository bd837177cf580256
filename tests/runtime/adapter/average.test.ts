import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Adapter, type AdapterDescription, decodeAdapter, makeAdapter } from "../../../runtime/adapter/adapter.ts";
import { averageAdapters } from "../../../runtime/adapter/average.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";

const noScores = { heldOut: null, rehearsal: null };
const base = { id: "toy", version: "1", sha256: "a".repeat(64) };
const score = { heldOut: { samples: 3, accuracy: 0.5, loss: 1 }, rehearsal: null };

function adapter(
  values: readonly number[],
  samples: number,
  changes: Partial<AdapterDescription> = {},
  name = "head/bias",
): Adapter {
  const description: AdapterDescription = {
    format: 1,
    base,
    method: "bias",
    targets: ["head"],
    classes: ["a", "b"],
    samplesPerClass: { a: samples },
    metrics: { before: score, after: score },
    lineage: { parents: [], contributors: ["board-1"] },
    createdAt: "2026-01-01T00:00:00.000Z",
    board: "board-1",
    ...changes,
  };
  return makeAdapter(description, new Map([[name, float32([values.length], values)]]));
}

const valuesOf = (averaged: Adapter, name = "head/bias") => Array.from(averaged.tensors.get(name)!.data, Number);

describe("the average", () => {
  it("weighs by samples", () => {
    const averaged = averageAdapters([adapter([0, 1], 10), adapter([4, -3], 30)]);
    expect(valuesOf(averaged)).toEqual([3, -2]);
  });

  it("of adapters that say the same is what they say, to the bit", () => {
    const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(
        fc.array(finite, { minLength: 1 }),
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 9 }),
        (values, counts) => {
          const all = counts.map((samples, at) => adapter(values, samples, { board: `board-${at}` }));
          expect(Buffer.from(averageAdapters(all).tensors.get("head/bias")!.data.buffer)).toEqual(
            Buffer.from(Float32Array.from(values, (value) => value + 0).buffer),
          );
        },
      ),
    );
  });

  it("lies between its adapters, and their order does not matter to a single byte", () => {
    const one = fc.record({
      values: fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 3, maxLength: 3 }),
      samples: fc.integer({ min: 1, max: 1000 }),
    });
    fc.assert(
      fc.property(fc.array(one, { minLength: 2, maxLength: 6 }), fc.infiniteStream(fc.nat()), (parts, chance) => {
        const all = parts.map(({ values, samples }, at) => adapter(values, samples, { board: `board-${at}` }));
        const averaged = averageAdapters(all);
        const mixed = [...all].sort(() => (chance.next().value % 2 ? 1 : -1));
        expect(averageAdapters(mixed).bytes).toEqual(averaged.bytes);
        valuesOf(averaged).forEach((value, at) => {
          const column = parts.map(({ values }) => values[at]!);
          expect(value).toBeGreaterThanOrEqual(Math.min(...column));
          expect(value).toBeLessThanOrEqual(Math.max(...column));
        });
      }),
    );
  });

  it("counts an adapter that is given twice once", () => {
    const [one, other] = [adapter([0], 1), adapter([1], 1)];
    expect(averageAdapters([one, other, one, one]).bytes).toEqual(averageAdapters([one, other]).bytes);
  });

  it("names its adapters and who contributed, and claims no score of its own", () => {
    const one = adapter([0], 2, { samplesPerClass: { b: 1, a: 1 } });
    const other = adapter([1], 5, { lineage: { parents: [], contributors: ["board-0", "board-1"] } });
    const averaged = averageAdapters([one, other], { createdAt: "2026-02-02T00:00:00.000Z" });
    expect(averaged.description).toEqual({
      ...one.description,
      samplesPerClass: { a: 6, b: 1 },
      metrics: { before: noScores, after: noScores },
      lineage: { parents: [one.sha256, other.sha256].sort(), contributors: ["board-0", "board-1"] },
      createdAt: "2026-02-02T00:00:00.000Z",
      board: null,
    });
    expect(decodeAdapter(averaged.bytes, "averaged").description).toEqual(averaged.description);
  });
});

describe("no average is made", () => {
  const one = adapter([0, 0], 1);
  it.each([
    ["base", adapter([0, 0], 1, { base: { ...base, sha256: "b".repeat(64) } })],
    ["method", adapter([0, 0], 1, { method: "scale" })],
    ["targets", adapter([0, 0], 1, { targets: ["stem"] })],
    ["classes", adapter([0, 0], 1, { classes: ["b", "a"] })],
    ["tensor head/bias", adapter([0, 0, 0], 1)],
    ["tensor head/bias", adapter([0, 0], 1, {}, "head/weight")],
  ])("of another %s, which the message names", (what, other) => {
    expect(() => averageAdapters([one, other])).toThrow(new RegExp(`^AVERAGE_MISMATCH: .*${what}.* of adapter`));
  });

  it("where two trained factors multiply, but where one of them is frozen", () => {
    const lora = (down: string) =>
      [1, 2].map((samples) => {
        const plan = [{ method: "lora", at: "head", settings: { rank: 1, down } }];
        return adapter([samples], samples, { method: "lora", plan }, "head/up");
      });
    expect(() => averageAdapters(lora("trained"))).toThrow(/^AVERAGE_NOT_LINEAR: .*lora:rank=1,down=trained/);
    expect(valuesOf(averageAdapters(lora("frozen")), "head/up")).toEqual([Math.fround(5 / 3)]);
  });

  it("of other channels than the other's, naming the layer whose choice differs", () => {
    const sparse = (channels: string) => {
      const settings = (chosen: string) => ({ share: 0.25, channels: chosen });
      const plan = ["stem", "head"].map((at) => ({
        method: "sparse",
        at,
        settings: settings(at === "head" ? channels : "AQ=="),
      }));
      return adapter([0], 1, { method: "sparse", plan });
    };
    expect(() => averageAdapters([sparse("AQ=="), sparse("Ag==")])).toThrow(
      /^AVERAGE_MISMATCH: .*plan\[1\] of adapter.*head/,
    );
    expect(valuesOf(averageAdapters([sparse("AQ=="), sparse("AQ==")]))).toEqual([0]);
  });

  it("where parameters pass through an activation", () => {
    const modules = [adapter([0], 1, { method: "head+adapter" }), adapter([1], 1, { method: "head+adapter" })];
    expect(() => averageAdapters(modules)).toThrow(/^AVERAGE_NOT_LINEAR: .*adapter:width/);
  });

  it("of nothing, or of nothing learnt", () => {
    expect(() => averageAdapters([])).toThrow(/^BAD_ARGUMENT/);
    expect(() => averageAdapters([adapter([0], 0), adapter([1], 0)])).toThrow(/^BAD_ARGUMENT/);
  });
});
