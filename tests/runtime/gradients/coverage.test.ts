import { expect, it } from "vitest";
import { GRADIENTS } from "../../../runtime/gradients/index.ts";
import { SHAPES } from "../../../runtime/shapes/rules.ts";

/** What models are made of: every one must be trainable through. */
const OPERATORS = `
  Conv ConvTranspose MatMul Gemm Add Sub Mul Div Pow Sqrt Exp Log Neg Abs Relu LeakyRelu PRelu Clip Sigmoid HardSigmoid HardSwish Tanh
  Softmax LogSoftmax Gelu Erf Elu MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean ReduceSum ReduceMax
  BatchNormalization LayerNormalization InstanceNormalization Flatten Reshape Transpose Squeeze Unsqueeze Concat Split Slice Pad Gather
  Expand Where Resize Dropout Identity Cast Constant Shape QuantizeLinear DequantizeLinear
`;

/** May stand before the frontier only, or in derived graphs alone: a wrong "no gradient" would train nothing, silently. */
const FROZEN = "LSTM GRU QLinearConv QLinearMatMul ConvInteger MatMulInteger DynamicQuantizeLinear";

const listed = (text: string) => text.trim().split(/\s+/);

it("every operator of the list has a shape rule", () => {
  expect([...listed(OPERATORS), ...listed(FROZEN)].filter((op) => !SHAPES[op])).toEqual([]);
});

it("every operator of the list has a gradient rule, or is said to have none", () => {
  expect(listed(OPERATORS).filter((op) => GRADIENTS[op] === undefined)).toEqual([]);
});

it("an operator that must stay frozen has no rule, so that training through it is refused", () => {
  expect(listed(FROZEN).filter((op) => GRADIENTS[op] !== undefined)).toEqual([]);
});

it("an operator with a gradient has a shape", () => {
  expect(Object.keys(GRADIENTS).filter((op) => !SHAPES[op])).toEqual([]);
});
