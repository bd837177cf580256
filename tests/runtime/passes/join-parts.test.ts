import { expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { ELEMENT_CODES } from "../../../runtime/onnx/elements.ts";
import type { Graph, ValueName } from "../../../runtime/onnx/graph.ts";
import { float32, int32, int64 } from "../../../runtime/onnx/tensor.ts";
import { joinParts } from "../../../runtime/passes/join-parts.ts";

/** theta in parts of 2, 3, 1 and 4: the first three are rounded and added to integers, the last is used as it is. */
function roundedParts({ shown = false, bounds = [-9, -9, -9] } = {}): Graph {
  const b = new GraphBuilder();
  const theta = b.input("theta", "float32", [10]);
  const parts = b.addMany("Split", [theta, b.constant("sizes", int64([2, 3, 1, 4]))], 4, { axis: 0 });
  const scales = [float32([2], [0.5, 0.25]), float32([1], [2]), float32([1], [0.125])];
  const bases = [int32([2], [1, -1]), int32([3], [7, 8, 9]), int32([1], [100])];
  const high = b.constant("high", float32([], [9]));
  const rounded = scales.map((scale, at): ValueName => {
    b.alias(`bias${at}`, parts[at]!);
    const steps = b.add("Round", [b.add("Div", [`bias${at}`, b.constant("scale", scale)])]);
    const bounded = b.add("Clip", [steps, b.constant("low", float32([], [bounds[at]!])), high]);
    const shift = b.add("Cast", [bounded], { to: ELEMENT_CODES.int32 });
    return b.add("Add", [b.constant("base", bases[at]!), shift]);
  });
  for (const value of [...rounded, b.add("Neg", [parts[3]!]), ...(shown ? ["bias1"] : [])]) b.output(value);
  return b.build("parts");
}

const count = ({ nodes }: Graph, opType: string) => nodes.filter((node) => node.opType === opType).length;

async function results(graph: Graph): Promise<Record<string, number[]>> {
  const session = await openSession(asModel(graph));
  const theta = float32([10], [1.3, -0.4, 5, 0.99, -1, 0.2, 1e9, 4, 5, 6]);
  const found = await session.run({ theta });
  await session.close();
  return Object.fromEntries(Object.entries(found).map(([name, { data }]) => [name, Array.from(data, Number)]));
}

it("does once to the vector what is done to each of its parts, to the last bit", async () => {
  const graph = roundedParts();
  const joined = joinParts(graph);
  for (const opType of ["Div", "Round", "Clip", "Cast", "Add"])
    expect([opType, count(joined, opType)]).toEqual([opType, 1]);
  expect(await results(joined)).toEqual(await results(graph));
});

it("leaves apart what has bounds of its own", async () => {
  const graph = roundedParts({ bounds: [-9, -9, -2] });
  const joined = joinParts(graph);
  expect(count(joined, "Clip")).toBe(2);
  expect(await results(joined)).toEqual(await results(graph));
});

it("leaves alone a part that somebody else reads", async () => {
  const graph = roundedParts({ shown: true });
  const joined = joinParts(graph);
  expect(count(joined, "Clip")).toBe(3);
  expect(await results(joined)).toEqual(await results(graph));
});
