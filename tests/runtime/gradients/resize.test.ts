import { expect, it } from "vitest";
import { caseGraph, type GradientCase } from "./case.ts";

const base: GradientCase = { name: "resize", op: "Resize", inputs: [[1, 1, 6000]] };
const scales = { "1": null, "2": { float32: [1, 1, 2] } };

it("grows a recording by whole repetitions, however long it is", () => {
  const graph = caseGraph({ ...base, constants: scales, attributes: { mode: "nearest" } });
  expect([...graph.initializers.values()].every((value) => value.data.length < 100)).toBe(true);
});

it("refuses to interpolate along an axis whose matrix would not fit into memory", () => {
  expect(() => caseGraph({ ...base, constants: scales, attributes: { mode: "linear" } })).toThrow(/NO_GRADIENT.*12000/);
});

it("refuses a crop, by its name", () => {
  const attributes = { mode: "linear", coordinate_transformation_mode: "tf_crop_and_resize" };
  expect(() => caseGraph({ ...base, constants: scales, attributes })).toThrow(/NO_GRADIENT.*tf_crop_and_resize/);
});
