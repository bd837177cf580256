import { expect, test } from "vitest";
import { quantile } from "../../../../scripts/bench/device/latency.ts";

test("of a hundred, the 99th is the p99, whatever their order", () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect(quantile(values, 0.99)).toBe(99);
  expect(quantile(values, 0.5)).toBe(50);
  expect(quantile(values, 1)).toBe(100);
});

test("of few, the slowest counts; of none, nothing is claimed", () => {
  expect(quantile([3, 1, 2], 0.99)).toBe(3);
  expect(quantile([], 0.99)).toBeNaN();
});
