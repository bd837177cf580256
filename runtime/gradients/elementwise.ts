import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import { ELEMENT_CODES, elementOfCode } from "../onnx/elements.ts";
import type { Dim, ValueName } from "../onnx/graph.ts";
import { scalar } from "../onnx/tensor.ts";
import { broadcastShapes } from "../shapes/rule.ts";
import { type GradientContext, type GradientRule, number, once, sumTo, times } from "./rule.ts";

export const identity: GradientRule = ({ dy }) => [() => dy];

/** Between real types; an integer has no gradient. */
export const cast: GradientRule = ({ b, node, dy, type }) => {
  const from = type(node.inputs[0]!).type;
  const to = elementOfCode(attribute(node, "to", "int"));
  if (!from.startsWith("float") || !to?.startsWith("float")) return [null];
  return [() => (from === to ? dy : b.add("Cast", [dy], { to: ELEMENT_CODES[from] }))];
};

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

/** xⁿ. The exponent, which may be of another type, has a gradient only where the base is positive. @see ONNX Pow-15 */
export const pow: GradientRule = (context) => {
  const { b, node, dy, type } = context;
  const [x, n] = node.inputs as [ValueName, ValueName];
  const ofBase = () => {
    const [exponent, ...others] = type(n).known ?? [];
    if (exponent === 2 && others.length === 0) return b.add("Mul", [dy, times(b, x, 2)]);
    const real = type(n).type.startsWith("float") ? n : b.add("Cast", [n], { to: ELEMENT_CODES.float32 });
    const slope = b.add("Mul", [real, b.add("Pow", [x, b.add("Sub", [real, number(b, 1)])])]);
    return b.add("Mul", [dy, slope]);
  };
  const ofExponent = () => {
    const slope = b.add("Mul", [b.add("Pow", [x, n]), b.add("Log", [x])]);
    return where(b, b.add("Greater", [x, number(b, 0)]), b.add("Mul", [dy, slope]));
  };
  return summed(context, type(n).type.startsWith("float") ? [ofBase, ofExponent] : [ofBase, null]);
};

/** Any number of operands. */
export const sum: GradientRule = (context) =>
  summed(
    context,
    context.node.inputs.map(
      () =>
        ({ dy }) =>
          dy,
    ),
  );

export const mean: GradientRule = (context) => {
  const share = once(() => times(context.b, context.dy, 1 / context.node.inputs.length));
  return summed(
    context,
    context.node.inputs.map(() => share),
  );
};

/** Max and Min, of any number of operands; those that are equally far out share the gradient, as PyTorch's do. */
export const extreme: GradientRule = (context) => {
  const { b, node, dy } = context;
  const reached = once(() => {
    const y = b.add(node.opType, node.inputs);
    return node.inputs.map((x) => b.add("Cast", [b.add("Equal", [x, y])], { to: ELEMENT_CODES.float32 }));
  });
  const share = once(() => b.add("Div", [dy, b.add("Sum", reached())]));
  return summed(
    context,
    node.inputs.map((_, at) => () => b.add("Mul", [share(), reached()[at]!])),
  );
};

export const neg = scaledBy(({ b, dy }) => b.add("Neg", [dy]));
export const abs = scaledBy(({ b, dy }, x) => b.add("Mul", [dy, b.add("Sign", [x])]));
export const exp = scaledBy(({ b, dy }, x) => b.add("Mul", [dy, b.add("Exp", [x])]));
export const log = scaledBy(({ b, dy }, x) => b.add("Div", [dy, x]));
/** dy / 2√x */
export const sqrt = scaledBy(({ b, dy }, x) => b.add("Div", [dy, times(b, b.add("Sqrt", [x]), 2)]));
/** −dy / x² */
export const reciprocal = scaledBy(({ b, dy }, x) => b.add("Neg", [b.add("Div", [dy, b.add("Mul", [x, x])])]));
/** dy · 2/√π · exp(−x²) */
export const erf = scaledBy(({ b, dy }, x) => {
  const bell = b.add("Exp", [b.add("Neg", [b.add("Mul", [x, x])])]);
  return b.add("Mul", [dy, times(b, bell, 2 / Math.sqrt(Math.PI))]);
});

/** dy where the condition holds, else zero. */
export const where = (b: GraphBuilder, condition: ValueName, dy: ValueName): ValueName =>
  b.add("Where", [condition, dy, b.constant("zero", scalar("float32", 0))]);

/** The rule of an operator that maps each element of x by itself. */
export function scaledBy(gradient: (context: GradientContext, x: ValueName) => ValueName): GradientRule {
  return (context) => [() => gradient(context, context.node.inputs[0]!)];
}

/** Rules of a broadcasting operator: each operand's part is summed to its shape. */
function summed(
  context: GradientContext,
  parts: readonly (((context: GradientContext) => ValueName) | null)[],
): ((() => ValueName) | null)[] {
  const { b, node, type } = context;
  const shapes = node.inputs.map((name) => type(name).shape);
  const out = shapes.reduce<readonly Dim[]>((shape, next) => broadcastShapes(shape, next, node), []);
  return parts.map((part, at) => part && (() => sumTo(b, part(context), out, shapes[at]!)));
}
