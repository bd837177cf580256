import type { Dim } from "../onnx/graph.ts";
import { matmulShape } from "./linear.ts";
import { operand, type ShapeContext, type ShapeRule } from "./rule.ts";
import { spatial } from "./spatial.ts";

/** Operators between real and integer numbers, and those that compute in integers. */
export const QUANTIZATION = {
  QuantizeLinear: (context) => ({ type: context.inputs[2]?.type ?? "uint8", shape: operand(context, 0).shape }),
  DequantizeLinear: (context) => ({ type: operand(context, 1).type, shape: operand(context, 0).shape }),

  /** The levels, their scale and their zero point. */
  DynamicQuantizeLinear: (context) => [
    { type: "uint8", shape: operand(context, 0).shape },
    { type: "float32", shape: [] },
    { type: "uint8", shape: [] },
  ],

  // Operands: x, scale, zero point; w, scale, zero point; scale and zero point of the output; bias.
  QLinearConv: (context) => ({ type: operand(context, 7).type, shape: convolved(context, 0, 3) }),
  QLinearMatMul: (context) => ({ type: operand(context, 7).type, shape: multiplied(context, 0, 3) }),

  ConvInteger: (context) => ({ type: "int32", shape: convolved(context, 0, 1) }),
  MatMulInteger: (context) => ({ type: "int32", shape: multiplied(context, 0, 1) }),
} satisfies Record<string, ShapeRule>;

function convolved(context: ShapeContext, atX: number, atW: number): Dim[] {
  const [x, w] = [operand(context, atX).shape, operand(context, atW).shape];
  return [x[0]!, w[0]!, ...spatial(context.node, x, w).output];
}

const multiplied = (context: ShapeContext, atA: number, atB: number): Dim[] =>
  matmulShape(operand(context, atA).shape, operand(context, atB).shape, context.node);
