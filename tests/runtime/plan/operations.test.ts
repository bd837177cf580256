import { expect, it } from "vitest";
import { GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Dim, Graph } from "../../../runtime/onnx/graph.ts";
import { zeros } from "../../../runtime/onnx/tensor.ts";
import { fixedBatch, macsOf, macsPerSample } from "../../../runtime/plan/operations.ts";
import { inferTypes } from "../../../runtime/shapes/infer.ts";
import type { ValueType } from "../../../runtime/shapes/rules.ts";
import { TOY, toyModel } from "../toy.ts";

const weight = (dims: readonly number[]) => ({
  ...zeros(
    "float32",
    dims.reduce((total, dim) => total * dim, 1),
  ),
  dims,
});

function count(
  opType: string,
  x: readonly Dim[],
  w: readonly number[],
  attributes: Record<string, number | readonly number[]> = {},
): number {
  const b = new GraphBuilder();
  b.input("x", "float32", x);
  b.output(b.add(opType, ["x", b.constant("w", weight(w))], attributes));
  const graph = b.build("one");
  return macsPerSample(graph, inferTypes(graph));
}

it("a convolution multiplies its kernel at every place of its output", () => {
  expect(count("Conv", ["N", 3, 8, 8], [16, 3, 3, 3], { pads: [1, 1, 1, 1] })).toBe(8 * 8 * 16 * 3 * 9);
  expect(count("Conv", ["N", 3, 8, 8], [16, 3, 3, 3], { pads: [1, 1, 1, 1], strides: [2, 2] })).toBe(4 * 4 * 16 * 27);
  expect(count("Conv", ["N", 16, 8, 8], [16, 1, 3, 3], { pads: [1, 1, 1, 1], group: 16 })).toBe(8 * 8 * 16 * 9);
  expect(count("Conv", ["N", 3, 10], [4, 3, 3], {})).toBe(8 * 4 * 9);
});

it("products of matrices multiply rows, columns and what they share", () => {
  expect(count("Gemm", ["N", 32], [32, 10])).toBe(320);
  expect(count("Gemm", ["N", 32], [10, 32], { transB: 1 })).toBe(320);
  expect(count("MatMul", ["N", 7, 32], [32, 10])).toBe(7 * 320);
});

it("a batch counts once, whether it may vary or not", () => {
  expect(count("Conv", [4, 3, 8, 8], [16, 3, 3, 3])).toBe(count("Conv", ["N", 3, 8, 8], [16, 3, 3, 3]));
  expect(count("Conv", [1, 3, 8, 8], [16, 3, 3, 3])).toBe(count("Conv", ["N", 3, 8, 8], [16, 3, 3, 3]));
});

it("products of two activations count too", () => {
  const b = new GraphBuilder();
  b.input("q", "float32", ["N", 3, 7, 16]);
  b.input("k", "float32", ["N", 3, 16, 7]);
  b.output(b.add("MatMul", ["q", "k"]));
  const graph = b.build("attention");
  expect(macsPerSample(graph, inferTypes(graph))).toBe(3 * 7 * 7 * 16);
});

it.each([
  // Its kernel is spread from every place of its input.
  [
    "",
    "ConvTranspose",
    [
      ["N", 4, 5, 5],
      [4, 6, 2, 2],
    ],
    ["N", 6, 10, 10],
    4 * 25 * 6 * 4,
  ],
  ["", "QLinearConv", [[1, 3, 8, 8], [], [], [16, 3, 3, 3]], [1, 16, 6, 6], 36 * 16 * 27],
  ["", "QLinearMatMul", [["N", 32], [], [], [32, 10]], ["N", 10], 320],
  ["com.microsoft", "QGemm", [["N", 32], [], [], [32, 10]], ["N", 10], 320],
  [
    "",
    "LSTM",
    [
      [50, "N", 8],
      [1, 64, 8],
      [1, 64, 16],
    ],
    [50, 1, "N", 16],
    50 * (64 * 8 + 64 * 16),
  ],
  ["", "Relu", [["N", 32]], ["N", 32], 0],
  ["elsewhere", "Conv", [["N", 3, 8, 8]], ["N", 16, 6, 6], 0],
] as const)("%s.%s", (domain, opType, operands, output, macs) => {
  const inputs = operands.map((_, at) => `in${at}`);
  const node = { name: "n", opType, domain, inputs, outputs: ["out"], attributes: {} };
  const type = (shape: readonly Dim[]): ValueType => ({ type: "uint8", shape });
  const types = new Map([...operands.map((shape, at) => [`in${at}`, type(shape)] as const), ["out", type(output)]]);
  expect(macsOf(node, types)).toBe(macs);
  if (macs > 0) expect(macsOf(node, new Map())).toBeNull();
});

it("adds up a whole network, and refuses to guess", () => {
  const { graph } = toyModel();
  const places = Math.ceil(TOY.height / 2) * Math.ceil(TOY.width / 2);
  const wanted = places * TOY.embedding * (TOY.channels * 9 + 9 + TOY.embedding) + TOY.embedding * TOY.classes;
  expect(macsPerSample(graph, inferTypes(graph))).toBe(wanted);
  expect(() => macsPerSample(graph, new Map())).toThrow(/^NO_SHAPE: .*stem/);
  const fixed: Graph = { ...graph, inputs: [{ ...graph.inputs[0]!, shape: [4, 2, 9, 8] }] };
  expect([fixedBatch(graph), fixedBatch(fixed)]).toEqual([1, 4]);
});
