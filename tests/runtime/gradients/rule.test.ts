import fc from "fast-check";
import { expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { once, sumTo } from "../../../runtime/gradients/rule.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { elementCount, float32 } from "../../../runtime/onnx/tensor.ts";
import { broadcastShapes } from "../../../runtime/shapes/rule.ts";
import { broadcastable } from "../shapes/samples.ts";

it("sums a gradient down to every shape that had been broadcast", async () => {
  await fc.assert(
    fc.asyncProperty(broadcastable(2), async ([to, other]) => {
      const b = new GraphBuilder();
      const add = { name: "add", opType: "Add", domain: "", inputs: [], outputs: [], attributes: {} };
      const from = broadcastShapes(to!, other!, add) as number[];
      const dy = b.input("dy", "float32", from);
      b.alias("dx", sumTo(b, dy, from, to!));
      b.output("dx");
      const values = Array.from({ length: elementCount(from) }, (_, at) => at + 1);
      const session = await openSession(asModel(b.build("sum")));
      const { dx } = await session.run({ dy: float32(from, values) });
      await session.close();
      expect(dx).toEqual(float32(to!, summed(values, from, to!)));
    }),
    { numRuns: 200, seed: 7 },
  );
});

it("leaves a batch that both sides share as it is", () => {
  const b = new GraphBuilder();
  sumTo(b, b.input("dy", "float32", ["N", 3, 4]), ["N", 3, 4], ["N", 1, 4]);
  const { nodes, initializers } = b.build("sum");
  expect(nodes.map((node) => node.opType)).toEqual(["ReduceSum"]);
  expect([...initializers.values()].map(({ data }) => [...data])).toEqual([[1n]]);
});

it("makes what is shared when it is first asked for, and once", () => {
  let made = 0;
  const shared = once(() => ++made);
  expect(made).toBe(0);
  expect([shared(), shared()]).toEqual([1, 1]);
});

/** Each element goes to the one place it had been copied from. */
function summed(values: readonly number[], from: readonly number[], to: readonly number[]): number[] {
  const sums = Array<number>(elementCount(to)).fill(0);
  for (const [at, value] of values.entries()) {
    let rest = at;
    let target = 0;
    let stride = 1;
    for (let back = 1; back <= from.length; back++) {
      const size = to.at(-back) ?? 1;
      const index = rest % from.at(-back)!;
      rest = Math.floor(rest / from.at(-back)!);
      if (back > to.length) continue;
      target += (index % size) * stride;
      stride *= size;
    }
    sums[target]! += value;
  }
  return sums;
}
