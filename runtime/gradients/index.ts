import { convolution } from "./convolution.ts";
import { add, clip, div, identity, mul, relu, sub } from "./elementwise.ts";
import { reshape, transpose } from "./layout.ts";
import { gemm, matmul } from "./linear.ts";
import { globalAveragePool } from "./pooling.ts";
import { dequantize, quantize } from "./quantization.ts";
import type { GradientRule } from "./rule.ts";

/** From operator to gradient rule; `null` means that the operator has no gradient by definition. */
export const GRADIENTS: Readonly<Record<string, GradientRule | null>> = {
  Add: add,
  Clip: clip,
  Conv: convolution,
  DequantizeLinear: dequantize,
  Div: div,
  Flatten: reshape,
  Gemm: gemm,
  GlobalAveragePool: globalAveragePool,
  Identity: identity,
  MatMul: matmul,
  Mul: mul,
  QuantizeLinear: quantize,
  Relu: relu,
  Reshape: reshape,
  Shape: null,
  Sub: sub,
  Transpose: transpose,
};
