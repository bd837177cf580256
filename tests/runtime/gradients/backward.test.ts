import { expect, it } from "vitest";
import { backward } from "../../../runtime/gradients/backward.ts";
import { GraphBuilder } from "../../../runtime/onnx/builder.ts";

const type = () => ({ type: "float32" as const, shape: [2, 2] });

it("names the operator without a rule, and the node, before anything runs", () => {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", [2, 2]);
  const y = b.add("Det", [x], {}, "odd_one");
  const nodes = [...b.build("g").nodes];
  expect(() => backward(b, { nodes, type, seeds: new Map([[y, "dy"]]), wanted: [x] })).toThrow(
    /NO_GRADIENT.*odd_one.*Det/,
  );
});

it("costs a frozen operand nothing", () => {
  const b = new GraphBuilder();
  const [x, w] = [b.input("x", "float32", [2, 2]), b.input("w", "float32", [2, 2])];
  const y = b.add("MatMul", [x, w]);
  const nodes = [...b.build("g").nodes];
  backward(b, { nodes, type, seeds: new Map([[y, "dy"]]), wanted: [w] });
  expect(b.build("g").nodes.map((node) => node.opType)).toEqual(["MatMul", "Transpose", "MatMul"]);
});

it("adds up what comes back on several ways", () => {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", [2, 2]);
  const y = b.add("Add", [b.add("Identity", [x]), x]);
  const nodes = [...b.build("g").nodes];
  const found = backward(b, { nodes, type, seeds: new Map([[y, "dy"]]), wanted: [x] });
  expect(b.build("g").nodes.at(-1)).toMatchObject({ opType: "Add", inputs: ["dy", "dy"], outputs: [found.get(x)] });
});

it("says when nothing leads from a wanted value to the loss", () => {
  const b = new GraphBuilder();
  b.input("x", "float32", [2, 2]);
  expect(() => backward(b, { nodes: [], type, seeds: new Map(), wanted: ["x"] })).toThrow(/NO_GRADIENT.*no way/);
});

it("refuses a side output of an operator whose gradient is known for the first alone", () => {
  const b = new GraphBuilder();
  const [x, scale] = [b.input("x", "float32", [2, 2]), b.input("scale", "float32", [2])];
  const [, mean] = b.addMany("LayerNormalization", [x, scale], 2, {}, "norm");
  const nodes = [...b.build("g").nodes];
  expect(() => backward(b, { nodes, type, seeds: new Map([[mean!, "dy"]]), wanted: [x] })).toThrow(
    /NO_GRADIENT.*norm.*side output/,
  );
});
