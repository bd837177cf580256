import fc from "fast-check";
import { expect, test } from "vitest";
import { createLatencies } from "../../../device/inference/latency.ts";

const OPTIONS = { windowMs: 1000, slices: 5 };

test("percentiles are those of the sorted list, within one per cent", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.01, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
      (all) => {
        const latencies = createLatencies(OPTIONS);
        for (const one of all) latencies.record(one, 500);
        const sorted = [...all].sort((a, b) => a - b);
        const found = latencies.summary(500);
        // The nearest rank, as HdrHistogram counts it.
        const exact = (share: number) => sorted[Math.max(1, Math.floor(share * sorted.length + 0.5)) - 1]!;
        expect(found.count).toBe(all.length);
        for (const [value, share] of [
          [found.p50Ms, 0.5],
          [found.p95Ms, 0.95],
          [found.p99Ms, 0.99],
          [found.maxMs, 1],
        ] as const) {
          // And never finer than a microsecond.
          expect(Math.abs(value! - exact(share))).toBeLessThanOrEqual(exact(share) * 0.011 + 0.001);
        }
      },
    ),
  );
});

test("what is older than the window is forgotten, slice by slice", () => {
  const latencies = createLatencies(OPTIONS);
  latencies.record(100, 50);
  latencies.record(10, 950);
  expect(latencies.summary(999)).toMatchObject({ count: 2 });
  expect(latencies.summary(1001)).toMatchObject({ count: 1 });
  expect(latencies.summary(1001).maxMs).toBeCloseTo(10, 0);
  expect(latencies.summary(5000)).toEqual({
    count: 0,
    perSecond: 0,
    p50Ms: null,
    p95Ms: null,
    p99Ms: null,
    maxMs: null,
  });
});

test("the rate is that of the time since the first one, until the window is full", () => {
  const latencies = createLatencies(OPTIONS);
  for (let nowMs = 0; nowMs < 400; nowMs += 20) latencies.record(1, nowMs);
  expect(latencies.summary(400).perSecond).toBeCloseTo(50, 0);
  for (let nowMs = 400; nowMs < 9000; nowMs += 20) latencies.record(1, nowMs);
  expect(latencies.summary(9000).perSecond).toBeCloseTo(50, 0);
});
