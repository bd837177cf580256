import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fitWindow, samplesInMemory } from "../../../runtime/signal/index.ts";
import { energiesOf, type Samples } from "../../../runtime/signal/window.ts";

const windowOf = (values: number[], windowSamples: number, hopSamples: number, place?: "start" | "centre") => [
  ...fitWindow(samplesInMemory(Float32Array.from(values)), { windowSamples, hopSamples, ...(place && { place }) }),
];

describe("the window", () => {
  it("centres a shorter sound in silence", () => {
    expect(windowOf([1, 2, 3], 6, 2)).toEqual([0, 1, 2, 3, 0, 0]);
  });

  it("puts it at the start where the card says so", () => {
    expect(windowOf([1, 2, 3], 6, 2, "start")).toEqual([1, 2, 3, 0, 0, 0]);
  });

  it("takes a sound of its own length as it is", () => {
    expect(windowOf([1, 2, 3], 3, 2)).toEqual([1, 2, 3]);
  });

  it("cuts a longer one to its loudest part, at a multiple of the hop", () => {
    expect(windowOf([0, 1, 0, 0, 0, 5, 0, 0, 0], 4, 2)).toEqual([0, 0, 0, 5]);
    expect(windowOf([0, 0, 0, 0, 0, 0, 1, 5, 5], 4, 2)).toEqual([0, 0, 1, 5]);
  });

  it("takes the first of equally loud parts", () => {
    const window = fitWindow(samplesInMemory(Float32Array.of(1, 2, 1, 2, 1, 2)), { windowSamples: 2, hopSamples: 2 });
    expect(window.byteOffset).toBe(0);
  });
});

describe("energies", () => {
  it("of parts of a long sound are found in one pass, with only a block of it in memory", () => {
    const length = 300_000;
    const asked: number[] = [];
    // Every sample is 1, except that the one at 200,000 is 3.
    const samples: Samples = {
      length,
      cut: (start, count) => {
        asked.push(count);
        return Float32Array.from({ length: count }, (_, n) => (start + n === 200_000 ? 3 : 1));
      },
    };
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(length - 1000), { minLength: 1, maxLength: 30 }), (places) => {
        const starts = places.toSorted((a, b) => a - b);
        const expected = starts.map((start) => (start <= 200_000 && 200_000 < start + 1000 ? 1008 : 1000));
        asked.length = 0;
        expect([...energiesOf(samples, starts, 1000)]).toEqual(expected);
        expect(Math.max(...asked)).toBeLessThanOrEqual(65_536);
        expect(asked.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(length);
      }),
      { numRuns: 20 },
    );
  });

  it("of parts that end with the sound, or with a block, are whole", () => {
    const ones = samplesInMemory(new Float32Array(131_072).fill(1));
    expect([...energiesOf(ones, [0, 65_535, 131_062], 10)]).toEqual([10, 10, 10]);
    expect([...energiesOf(ones, [0], 131_072)]).toEqual([131_072]);
  });
});
