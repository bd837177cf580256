import { expect, it } from "vitest";
import { GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Dim, Graph } from "../../../runtime/onnx/graph.ts";
import { float32, int64 } from "../../../runtime/onnx/tensor.ts";
import { arenaBytes } from "../../../runtime/plan/arena.ts";
import { asExecuted } from "../../../runtime/plan/executed.ts";
import { type Buffer, buffersOf, executionOrder, peakBytes } from "../../../runtime/plan/liveness.ts";
import { inferTypes } from "../../../runtime/shapes/infer.ts";

function held(graph: Graph): { buffers: Buffer[]; order: string[] } {
  const executed = asExecuted(graph, inferTypes(graph));
  const order = executionOrder(executed.graph);
  const options = { sizes: { N: 10 }, held: executed.constants };
  return { buffers: buffersOf(executed.graph, order, executed.types, options), order: order.map(({ name }) => name) };
}

function graphOf(build: (b: GraphBuilder, x: string) => string[], shape: readonly Dim[] = ["N", 100]): Graph {
  const b = new GraphBuilder();
  for (const output of build(b, b.input("x", "float32", shape))) b.output(output);
  return b.build("test");
}

it("runs backwards from the last end, depth first, and what stands later first", () => {
  const { order } = held(
    graphOf((b, x) => {
      const early = b.add("Neg", [x], {}, "early");
      const late = b.add("Abs", [x], {}, "late");
      const sum = b.add("Add", [early, late], {}, "sum");
      return [sum, b.add("Exp", [late], {}, "end")];
    }),
  );
  expect(order).toEqual(["late", "end", "early", "sum"]);
});

it("lets go of a buffer behind its last reader; arithmetic writes into another one", () => {
  const { buffers } = held(graphOf((b, x) => [b.add("Mul", [b.add("Mul", [b.add("Mul", [x, x]), x]), x])]));
  expect(buffers.map(({ bytes, from, to }) => [bytes, from, to])).toEqual([
    [4000, 0, 1],
    [4000, 1, 2],
    // A result lives on.
    [4000, 2, 3],
  ]);
  expect(peakBytes(buffers)).toBe(8000);
});

it("takes a dead buffer of the same size again, and holds it for that all the while", () => {
  const { buffers } = held(
    graphOf((b, x) => {
      const first = b.add("Mul", [x, x]);
      const narrow = b.add("ReduceSum", [first, b.constant("axes", int64([1]))]);
      return [b.add("ReduceSum", [b.add("Mul", [x, narrow]), b.constant("axes", int64([1]))])];
    }),
  );
  expect(buffers.map(({ bytes, from, to }) => [bytes, from, to])).toEqual([
    [4000, 0, 3],
    [40, 1, 2],
    [40, 3, 4],
  ]);
});

it("does not know sizes behind a Reshape that infers one", () => {
  const twice = (target: number[]) =>
    held(
      graphOf((b, x) => {
        const shaped = b.add("Reshape", [b.add("Mul", [x, x]), b.constant("shape", int64(target))]);
        return [b.add("ReduceSum", [b.add("Relu", [b.add("Relu", [b.add("Mul", [shaped, shaped])])])])];
      }),
    ).buffers.filter(({ bytes }) => bytes === 4000).length;
  expect(twice([0, 100])).toBe(2);
  expect(twice([-1, 100])).toBe(4);
});

it("makes no buffer of what follows from constants, nor of real numbers between integers", () => {
  const b = new GraphBuilder();
  const x = b.input("x", "uint8", ["N", 100]);
  const [scale, zero] = [
    b.constant("s", float32([], [1])),
    b.constant("z", { type: "uint8", dims: [], data: new Uint8Array(1) }),
  ];
  const real = b.add("DequantizeLinear", [x, scale, zero]);
  const factor = b.add("Exp", [b.constant("c", float32([100], new Float32Array(100)))]);
  const sum = b.add("QuantizeLinear", [b.add("Add", [real, real]), scale, zero]);
  b.output(b.add("Mul", [b.add("DequantizeLinear", [sum, scale, zero]), factor]));
  expect(held(b.build("integers")).buffers.map(({ bytes }) => bytes)).toEqual([1000, 4000, 4000]);
});

it("an arena keeps what was touched, in regions that double, and splits only what is twice too large", () => {
  const MiB = 2 ** 20;
  const buffer = (bytes: number, from: number, to: number) => ({ bytes, from, to });
  expect(arenaBytes([])).toBe(0);
  expect(arenaBytes([buffer(1, 0, 0)])).toBe(256);
  // One after the other in one place; side by side in two.
  expect(arenaBytes([buffer(1000, 0, 0), buffer(1000, 1, 1)])).toBe(1024);
  expect(arenaBytes([buffer(1000, 0, 1), buffer(1000, 1, 1)])).toBe(2048);
  // Of the region of 4 MiB, what 3 MiB leave is not split off, and what comes next opens another.
  expect(arenaBytes([buffer(3 * MiB, 0, 1), buffer(MiB, 1, 1)])).toBeGreaterThanOrEqual(4 * MiB);
  // Neighbours that are free make room for something larger.
  expect(arenaBytes([buffer(MiB / 4, 0, 0), buffer(MiB / 4, 0, 0), buffer(MiB / 2, 1, 1)])).toBe(MiB / 2);
});
