import { operand, type ShapeRule } from "./rule.ts";
import { spatial } from "./spatial.ts";

/** [N, C, …] → [N, C, 1, …] */
const globalPool: ShapeRule = (context) => {
  const { type, shape } = operand(context, 0);
  return { type, shape: shape.map((dim, axis) => (axis < 2 ? dim : 1)) };
};

const pool: ShapeRule = (context) => {
  const { type, shape } = operand(context, 0);
  return { type, shape: [...shape.slice(0, 2), ...spatial(context.node, shape, undefined).output] };
};

export const POOLING = {
  AveragePool: pool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  /** The second output says where each maximum stood. */
  MaxPool: (context) => {
    const [y] = [pool(context)].flat();
    return [y!, { type: "int64", shape: y!.shape }];
  },
} satisfies Record<string, ShapeRule>;
