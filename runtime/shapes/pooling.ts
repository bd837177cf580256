import { operand, type ShapeRule } from "./rule.ts";

/** [N, C, …] → [N, C, 1, …] */
const globalPool: ShapeRule = (context) => {
  const { type, shape } = operand(context, 0);
  return { type, shape: shape.map((dim, axis) => (axis < 2 ? dim : 1)) };
};

export const POOLING = {
  GlobalAveragePool: globalPool,
} satisfies Record<string, ShapeRule>;
