import { operand, type ShapeRule } from "./rule.ts";

export const QUANTIZATION = {
  QuantizeLinear: (context) => ({ type: context.inputs[2]?.type ?? "uint8", shape: operand(context, 0).shape }),
  DequantizeLinear: (context) => ({ type: operand(context, 1).type, shape: operand(context, 0).shape }),
} satisfies Record<string, ShapeRule>;
