import { expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { isLinear } from "../../../runtime/integer/layers.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { ValueName } from "../../../runtime/onnx/graph.ts";
import { float32, int64 } from "../../../runtime/onnx/tensor.ts";
import { noise, random } from "../toy.ts";

const next = random(2);

function layersOf(shape: number[], define: (b: GraphBuilder, x: ValueName) => ValueName) {
  const b = new GraphBuilder();
  b.output(define(b, b.input("x", "float32", ["N", ...shape])), { type: "float32" });
  return prepareBase(asModel(b.build("network"))).layers;
}

const constant = (b: GraphBuilder, dims: number[]) => b.constant("constant", noise(dims, next));

it("the ε of a normalization written out and the 3 of a hard swish are no biases", () => {
  const layers = layersOf([4, 6], (b, x) => {
    const axes = b.constant("axes", int64([-1]));
    const centred = b.add("Sub", [x, b.add("ReduceMean", [x, axes])]);
    const variance = b.add("ReduceMean", [b.add("Mul", [centred, centred]), axes]);
    const root = b.add("Sqrt", [b.add("Add", [variance, b.constant("epsilon", float32([], [1e-5]))])]);
    const shifted = b.add("Add", [b.add("Div", [centred, root]), constant(b, [6])], {}, "beta");
    return b.add("Mul", [shifted, b.add("Add", [shifted, b.constant("three", float32([1], [3]))])]);
  });
  expect(layers.map(({ name }) => name)).toEqual(["beta"]);
});

it("the bias of a single output is one", () => {
  const layers = layersOf([6], (b, x) =>
    b.add("Add", [b.add("MatMul", [x, constant(b, [6, 1])], {}, "head"), constant(b, [1])], {}, "head_bias"),
  );
  expect(layers.map(({ name }) => name)).toEqual(["head", "head_bias"]);
});

it("a product over as many tokens as it has channels is no linear head", () => {
  const layers = layersOf([5, 6], (b, x) => b.add("MatMul", [x, constant(b, [6, 5])]));
  expect(layers.map(isLinear)).toEqual([false]);
});

it.each([{ dims: [] }, { dims: [1] }, { dims: [1, 5] }, { dims: [5] }])(
  "the constant of a Gemm, of dims $dims, is one number a channel",
  ({ dims }) => {
    const layers = layersOf([6], (b, x) => b.add("Gemm", [x, constant(b, [6, 5]), constant(b, dims)]));
    expect(layers[0]!.bias!.dims).toEqual([5]);
  },
);
