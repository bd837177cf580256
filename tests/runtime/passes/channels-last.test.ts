import { expect, it } from "vitest";
import { openSession, type Tensors } from "../../../runtime/execute/session.ts";
import { backward } from "../../../runtime/gradients/backward.ts";
import { attribute } from "../../../runtime/onnx/attributes.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Graph, Node, ValueName } from "../../../runtime/onnx/graph.ts";
import { float32, tensor } from "../../../runtime/onnx/tensor.ts";
import { keepChannelsLast } from "../../../runtime/passes/channels-last.ts";
import { prune } from "../../../runtime/passes/prune.ts";
import { inferTypes } from "../../../runtime/shapes/infer.ts";
import { relativeError } from "../gradients/case.ts";
import { noise, random } from "../toy.ts";

/** Expand, strided depthwise, project, a residual pair of pointwise layers, and one more: (x, dy) → gradients of biases and of x. */
function blocks(): { graph: Graph; inputs: Tensors } {
  const next = random(4);
  const b = new GraphBuilder();
  const x = b.input("x", "float32", ["N", 4, 6, 8]);
  const scale = b.constant("scale", float32([], [0.02]));
  const zero = b.constant("zero", tensor("uint8", [], Uint8Array.of(128)));
  const biases: ValueName[] = [];
  const quantized = (value: ValueName) =>
    b.add("DequantizeLinear", [b.add("QuantizeLinear", [value, scale, zero]), scale, zero]);
  const layer = (from: ValueName, dims: number[], attributes: Record<string, number | number[]> = {}) => {
    const bias = b.constant("bias", noise([dims[0]!], next));
    biases.push(b.add("Identity", [bias]));
    const y = b.add("Conv", [from, b.constant("weight", noise(dims, next)), biases.at(-1)!], attributes);
    return quantized(y);
  };
  const expanded = layer(x, [12, 4, 1, 1]);
  const deep = layer(expanded, [12, 1, 3, 3], { group: 12, strides: [2, 2], pads: [1, 1, 1, 1] });
  const projected = layer(deep, [8, 12, 1, 1]);
  const sum = b.add("Add", [projected, layer(layer(projected, [16, 8, 1, 1]), [8, 16, 1, 1])]);
  const y = layer(quantized(sum), [5, 8, 1, 1]);
  const nodes = [...b.build("blocks").nodes];
  const types = inferTypes(b.build("blocks"));
  const dy = b.input("dy", "float32", types.get(y)!.shape);
  const wanted = [...biases, x];
  const gradients = backward(b, { nodes, type: (name) => types.get(name)!, seeds: new Map([[y, dy]]), wanted });
  for (const value of [y, ...gradients.values()]) b.output(value);
  const inputs = { x: noise([3, 4, 6, 8], next), dy: noise([3, 5, 3, 4], next) };
  return { graph: prune(b.build("blocks")), inputs };
}

const run = async (graph: Graph, inputs: Tensors) => {
  const session = await openSession(asModel(graph));
  const results = await session.run(inputs);
  await session.close();
  return results;
};

it("computes the same as with channels first", async () => {
  const { graph, inputs } = blocks();
  const expected = await run(graph, inputs);
  const found = await run(keepChannelsLast(graph), inputs);
  for (const { name } of graph.outputs) expect(relativeError(found[name]!, expected[name]!), name).toBeLessThan(1e-5);
});

it("transposes gradients where they come in, around the convolution that is not pointwise, and where they go out", () => {
  const { nodes, outputs } = prune(keepChannelsLast(blocks().graph));
  const producer = new Map(nodes.map((node) => [node.outputs[0]!, node.opType]));
  // Masks come from quantizers; of the weight that is flipped only the axes of groups and channels change places.
  const ofGradient = (node: Node) =>
    producer.get(node.inputs[0]!) !== "QuantizeLinear" && attribute(node, "perm", "ints").length === 4;
  const results = new Set(outputs.map(({ name }) => name));
  const readers = (value: ValueName) =>
    nodes.filter(({ inputs }) => inputs.includes(value)).map(({ opType }) => opType);
  const transpositions = nodes
    .filter((node) => node.opType === "Transpose" && ofGradient(node))
    .map(({ inputs: [from], outputs: [to] }) => [
      producer.get(from!),
      ...(results.has(to!) ? ["result"] : readers(to!)),
    ]);
  expect(transpositions).toEqual([
    ["Reshape", "Identity", "ReduceSum"],
    ["Reshape", "Conv"],
    ["Conv", "DequantizeLinear"],
    ["MatMul", "result"],
  ]);
});

it("knows the layouts of sequences, where both ways are the same permutation", async () => {
  const next = random(6);
  const b = new GraphBuilder();
  const dy = b.input("dy", "float32", ["N", 4, 7]);
  const back = (value: ValueName, dims: number[]) => {
    const rows = b.add("Transpose", [value], { perm: [0, 2, 1] });
    return b.add("Transpose", [b.add("MatMul", [rows, b.constant("weight", noise(dims, next))])], { perm: [0, 2, 1] });
  };
  const one = back(dy, [4, 6]);
  b.output(b.add("Mul", [back(one, [6, 3]), b.add("ReduceSum", [one], { keepdims: 1 })]));
  const graph = b.build("sequence");
  const inputs = { dy: noise([2, 4, 7], next) };
  const expected = await run(graph, inputs);
  const kept = prune(keepChannelsLast(graph));
  expect(await run(kept, inputs)).toEqual(expected);
  expect(kept.nodes.filter(({ opType }) => opType === "Transpose").length).toBe(3);
});

it("leaves a graph without transpositions as it is", () => {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", ["N", 3]);
  b.output(b.add("Relu", [b.add("Add", [x, b.constant("one", float32([], [1]))])]));
  expect(keepChannelsLast(b.build("plain"))).toEqual(b.build("plain"));
});
