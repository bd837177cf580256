import fc from "fast-check";
import { expect, test } from "vitest";
import { facts, table } from "../../../device/cli/terminal.ts";

test("columns line up, numbers to the right", () => {
  expect(
    table(
      ["class", "samples"],
      [
        ["one", 5],
        ["seven", 12],
      ],
    ),
  ).toBe("class  samples\none          5\nseven       12");
});

test("shares and decimals stand under each other like numbers", () => {
  const rows = [
    ["a", "9.5 %", "10.25"],
    ["b", "100.0 %", "0.50"],
  ];
  expect(table(["n", "right", "seconds"], rows)).toBe("n    right  seconds\na    9.5 %    10.25\nb  100.0 %     0.50");
});

test("an empty table is its header", () => {
  expect(table(["class", "samples"], [])).toBe("class  samples");
});

test("no line is longer than the terminal", () => {
  const cell = fc.oneof(fc.string(), fc.integer());
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell, cell), { minLength: 1 }), (rows) => {
      const text = table(["a", "b", "c"], rows);
      expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    }),
  );
  expect(facts([["name", "x".repeat(200)]])).toHaveLength(80);
});
