import { describe, it } from "vitest";
import { toyModel } from "../toy.ts";
import { expectExact, FOLDING, MODULES } from "./exact.ts";

const VARIANTS = [
  {},
  { quantizedLogits: true },
  { transB: 0 },
  { transB: 0, quantizedLogits: true },
  { reducedRange: false },
] as const;

describe.each([...FOLDING, ...MODULES])("what is trained is what is served: %s", (method) => {
  it.each(VARIANTS)("toy model %o", (options) => expectExact(toyModel(options), method));
});
