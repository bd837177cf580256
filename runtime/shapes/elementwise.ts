import { broadcastShapes, operand, type ShapeRule } from "./rule.ts";

export const same: ShapeRule = (context) => operand(context, 0);

const broadcast: ShapeRule = (context) => {
  const [a, b] = [operand(context, 0), operand(context, 1)];
  return { type: a.type, shape: broadcastShapes(a.shape, b.shape, context.node) };
};

export const ELEMENTWISE = {
  Add: broadcast,
  Sub: broadcast,
  Mul: broadcast,
  Div: broadcast,
  Relu: same,
  Clip: same,
  Identity: same,
} satisfies Record<string, ShapeRule>;
