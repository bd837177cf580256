import { expect, it } from "vitest";
import { listed } from "../../runtime/listed.ts";
import { classIndex } from "../../runtime/train/samples.ts";

it("names as many as a sentence bears, and counts the others", () => {
  expect(listed([])).toBe("");
  expect(listed(["a", "b"], 2)).toBe("a, b");
  expect(listed(["a", "b", "c"], 2)).toBe("a, b, … (3 in all)");
});

it("a model of a thousand classes does not name them all to whoever brings another one", () => {
  const classes = Array.from({ length: 1001 }, (_, at) => `class ${at}`);
  expect(() => classIndex(classes, "glass")).toThrow(/^UNKNOWN_CLASS: .{1,300}class 11, … \(1001 in all\)/);
});
