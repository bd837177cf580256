import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { scalar } from "../onnx/tensor.ts";
import { broadcastShapes } from "../shapes/rule.ts";
import { type GradientContext, type GradientRule, sumTo } from "./rule.ts";

export const identity: GradientRule = ({ dy }) => [() => dy];

export const add: GradientRule = (context) => summed(context, [({ dy }) => dy, ({ dy }) => dy]);

export const sub: GradientRule = (context) => summed(context, [({ dy }) => dy, ({ b, dy }) => b.add("Neg", [dy])]);

export const mul: GradientRule = (context) =>
  summed(context, [
    ({ b, node, dy }) => b.add("Mul", [dy, node.inputs[1]!]),
    ({ b, node, dy }) => b.add("Mul", [dy, node.inputs[0]!]),
  ]);

export const div: GradientRule = (context) =>
  summed(context, [
    ({ b, node, dy }) => b.add("Div", [dy, node.inputs[1]!]),
    // −dy·a / b²
    ({
      b,
      node: {
        inputs: [x, y],
      },
      dy,
    }) => b.add("Neg", [b.add("Div", [b.add("Mul", [dy, x!]), b.add("Mul", [y!, y!])])]),
  ]);

export const relu: GradientRule = ({ b, node, dy }) => [
  () => where(b, b.add("Greater", [node.inputs[0]!, b.constant("zero", scalar("float32", 0))]), dy),
];

/** The bounds are operands since Clip-11; they have no gradient here, for no exporter computes them. */
export const clip: GradientRule = ({ b, node, dy }) => [
  () => {
    const [x, low, high] = node.inputs;
    const above = low ? where(b, b.add("Greater", [x!, low]), dy) : dy;
    return high ? where(b, b.add("Less", [x!, high]), above) : above;
  },
  null,
  null,
];

/** dy where the condition holds, else zero. */
export const where = (b: GraphBuilder, condition: ValueName, dy: ValueName): ValueName =>
  b.add("Where", [condition, dy, b.constant("zero", scalar("float32", 0))]);

/** Rules of a broadcasting binary operator: each operand's part is summed to its shape. */
function summed(
  context: GradientContext,
  parts: readonly ((context: GradientContext) => ValueName)[],
): (() => ValueName)[] {
  const { b, node, type } = context;
  const [x, y] = [type(node.inputs[0]!).shape, type(node.inputs[1]!).shape];
  const out = broadcastShapes(x, y, node);
  return parts.map((part, at) => () => sumTo(b, part(context), out, at === 0 ? x : y));
}
