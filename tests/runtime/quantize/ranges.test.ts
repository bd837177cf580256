import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Counted, histogram } from "../../../runtime/quantize/calibration/histogram.ts";
import { entropyRange, percentileRange } from "../../../runtime/quantize/calibration/ranges.ts";
import { gaussian } from "../../../runtime/random/gaussian.ts";
import { seeded } from "../../../runtime/random/random.ts";

const counted = (...batches: (readonly number[])[]): Counted => {
  const counting = histogram();
  for (const batch of batches) counting.see(Float32Array.from(batch));
  return counting.counted();
};

const total = ({ counts }: Counted) => counts.reduce((sum, count) => sum + count, 0);

describe("a histogram", () => {
  const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), { minLength: 1 });

  it("counts every value once, in the bin that it lies in, however the range has grown", () => {
    fc.assert(
      fc.property(fc.array(values, { minLength: 1, maxLength: 6 }), (batches) => {
        const all = batches.flat().map(Math.fround);
        const found = counted(...batches);
        expect(total(found)).toBe(all.length);
        // Minus zero is zero.
        expect([found.min + 0, found.max + 0]).toEqual([Math.min(...all) + 0, Math.max(...all) + 0]);
        if (found.width === 0) return;
        expect(found.counts.length).toBeLessThanOrEqual(4096);
        // All that lies below the edge of a bin is counted below it, to what the division rounds.
        for (const bin of [0, found.counts.length >> 1]) {
          const edge = (found.first + bin) * found.width;
          const below = found.counts.slice(0, bin).reduce((sum, count) => sum + count, 0);
          const slack = found.width * 1e-3;
          expect(below).toBeGreaterThanOrEqual(all.filter((value) => value < edge - slack).length);
          expect(below).toBeLessThanOrEqual(all.filter((value) => value < edge + slack).length);
        }
      }),
    );
  });

  it("keeps the width of its bins within a factor of two of what one batch would have had", () => {
    const found = counted([0.001], [1], [1000]);
    expect(found.width).toBeGreaterThanOrEqual(1000 / 2048);
    expect(found.width).toBeLessThanOrEqual((2 * 1000) / 2047);
  });

  it("of zeros is usable, and leaves overflows out", () => {
    expect(counted([0, 0])).toMatchObject({ min: 0, max: 0, width: 0 });
    expect(counted([0, 1], [Number.POSITIVE_INFINITY])).toMatchObject({ min: 0, max: 1 });
  });
});

const normal = (count: number): number[] => [...(gaussian([count], 1, seeded(1)).data as Float32Array)];

describe("the percentile range", () => {
  it("cuts half of the rest away at either end", () => {
    const evenly = Array.from({ length: 100_000 }, (_, at) => at / 100_000 - 0.5);
    const { min, max } = percentileRange(counted(evenly), 0.9);
    expect(min).toBeCloseTo(-0.45, 3);
    expect(max).toBeCloseTo(0.45, 3);
  });

  it("of a normal distribution is where its tables say", () => {
    const { min, max } = percentileRange(counted(normal(400_000)), 0.99);
    expect(min).toBeCloseTo(-2.576, 1);
    expect(max).toBeCloseTo(2.576, 1);
  });

  it("does not reach beyond what was seen, nor cut where there is nothing to spare", () => {
    expect(percentileRange(counted([-1, 0.5, 2]), 0.9999)).toEqual({ min: -1, max: 2 });
  });
});

describe("the entropy range", () => {
  it("leaves an outlier out that min-max would stretch every code for", () => {
    const { max } = entropyRange(counted([...normal(200_000), 100]));
    expect(max).toBeGreaterThan(3);
    expect(max).toBeLessThan(30);
  });

  it("of evenly spread values is all of them", () => {
    const evenly = Array.from({ length: 100_000 }, (_, at) => at / 99_999);
    const { min, max } = entropyRange(counted(evenly));
    expect(min).toBe(0);
    expect(max).toBeGreaterThan(0.99);
  });

  it("does not depend on how many zeros a Relu leaves", () => {
    const positive = normal(100_000).map(Math.abs);
    const zeros = Array.from({ length: 900_000 }, () => 0);
    expect(entropyRange(counted(positive, zeros))).toEqual(entropyRange(counted(positive, [0])));
  });

  it("of few values is all of them", () => {
    expect(entropyRange(counted([0, 1, 2]))).toEqual({ min: 0, max: 2 });
  });
});
