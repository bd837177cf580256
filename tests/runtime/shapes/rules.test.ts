import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { inferTypes } from "../../../runtime/shapes/infer.ts";
import { FAMILIES, SHAPES } from "../../../runtime/shapes/rules.ts";
import { CASES } from "../gradients/case.ts";
import { SAMPLES, type Sample } from "./samples.ts";

describe("every shape rule", () => {
  it("stands in one family", () => {
    const ops = Object.values(FAMILIES).flatMap((family) => Object.keys(family));
    expect(ops.filter((op, at) => ops.indexOf(op) !== at)).toEqual([]);
  });

  it("is tried here, or by a gradient case", () => {
    const tried = new Set([...Object.keys(SAMPLES), ...CASES.map((test) => test.op)]);
    expect(Object.keys(SHAPES).filter((op) => !tried.has(op))).toEqual([]);
  });

  it.each(Object.keys(SAMPLES))("says what ONNX Runtime makes of random operands: %s", async (op) => {
    await fc.assert(
      fc.asyncProperty(SAMPLES[op]!, async (sample) => {
        const { inferred, real } = await outputTypes(op, sample);
        expect(inferred).toEqual(real);
      }),
      { numRuns: 20, seed: 3 },
    );
  });
});

async function outputTypes(op: string, { operands, attributes, outputs }: Sample) {
  const b = new GraphBuilder();
  const names = operands.map((value) => (value === null ? "" : b.constant("operand", value)));
  const ys = b.addMany(op, names, outputs ?? 1, attributes);
  for (const y of ys) b.output(y);
  const graph = b.build("sample");
  const types = inferTypes(graph);
  const session = await openSession(asModel(graph));
  try {
    const results = await session.run({});
    return {
      inferred: ys.map((y) => ({ type: types.get(y)!.type, shape: [...types.get(y)!.shape] })),
      real: ys.map((y) => ({ type: results[y]!.type, shape: [...results[y]!.dims] })),
    };
  } finally {
    await session.close();
  }
}
