import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { Node, ValueName } from "../onnx/graph.ts";
import { scaledBy, where } from "./elementwise.ts";
import { type GradientRule, number, sumOver, sumTo, times } from "./rule.ts";

const positive = (b: GraphBuilder, x: ValueName): ValueName => b.add("Greater", [x, number(b, 0)]);

export const relu = scaledBy(({ b, dy }, x) => where(b, positive(b, x), dy));

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

export const leakyRelu = scaledBy(({ b, dy, node }, x) =>
  b.add("Where", [positive(b, x), dy, times(b, dy, attribute(node, "alpha", "float", 0.01))]),
);

/** x where it is positive, else slope·x; the slope broadcasts to x. */
export const prelu: GradientRule = ({ b, node, dy, type }) => {
  const [x, slope] = node.inputs as [ValueName, ValueName];
  return [
    () => b.add("Where", [positive(b, x), dy, b.add("Mul", [dy, slope])]),
    () => {
      const below = b.add("Mul", [dy, b.add("Min", [x, number(b, 0)])]);
      return sumTo(b, below, type(x).shape, type(slope).shape);
    },
  ];
};

/** α·(eˣ − 1) where x is not positive. */
export const elu = scaledBy(({ b, dy, node }, x) => {
  const slope = times(b, b.add("Exp", [x]), attribute(node, "alpha", "float", 1));
  return b.add("Where", [positive(b, x), dy, b.add("Mul", [dy, slope])]);
});

/** dy·s·(1 − s) */
export const sigmoid = scaledBy(({ b, dy }, x) => {
  const s = b.add("Sigmoid", [x]);
  return b.add("Mul", [b.add("Mul", [dy, s]), b.add("Sub", [number(b, 1), s])]);
});

/** α·x + β, clipped to [0, 1]. */
export const hardSigmoid = scaledBy(({ b, dy, node }, x) => {
  const alpha = attribute(node, "alpha", "float", 0.2);
  const beta = attribute(node, "beta", "float", 0.5);
  // In the middle of the ramp is x = (½ − β)/α, and it ends 1/2α from there.
  const centred = beta === 0.5 ? x : b.add("Sub", [x, number(b, (0.5 - beta) / alpha)]);
  return where(b, within(b, centred, 0.5 / alpha), times(b, dy, alpha));
});

/** x·clip(x/6 + ½, 0, 1): x/3 + ½ on the ramp, beyond it as ReLU. */
export const hardSwish = scaledBy(({ b, dy }, x) => {
  const ramp = b.add("Add", [times(b, x, 1 / 3), number(b, 0.5)]);
  return b.add("Where", [within(b, x, 3), b.add("Mul", [dy, ramp]), where(b, positive(b, x), dy)]);
});

/** dy·(1 − t²) */
export const tanh = scaledBy(({ b, dy }, x) => {
  const t = b.add("Tanh", [x]);
  return b.add("Mul", [dy, b.add("Sub", [number(b, 1), b.add("Mul", [t, t])])]);
});

/** Exact, Φ(x) + x·φ(x), or the derivative of the approximation by tanh. @see Hendrycks and Gimpel 2016, arXiv:1606.08415 */
export const gelu = scaledBy(({ b, dy, node }, x) => {
  const approximate = attribute(node, "approximate", "string", "none");
  return b.add("Mul", [dy, approximate === "tanh" ? tanhGeluSlope(b, x) : geluSlope(b, x)]);
});

function geluSlope(b: GraphBuilder, x: ValueName): ValueName {
  const integral = b.add("Add", [times(b, b.add("Erf", [times(b, x, Math.SQRT1_2)]), 0.5), number(b, 0.5)]);
  const bell = b.add("Exp", [times(b, b.add("Mul", [x, x]), -0.5)]);
  return b.add("Add", [integral, b.add("Mul", [times(b, x, 1 / Math.sqrt(2 * Math.PI)), bell])]);
}

/** With u = √(2/π)·(x + c·x³) and t = tanh u: ½(1 + t) + ½x·(1 − t²)·u′ */
function tanhGeluSlope(b: GraphBuilder, x: ValueName): ValueName {
  const [root, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
  const square = b.add("Mul", [x, x]);
  const u = b.add("Mul", [x, b.add("Add", [times(b, square, root * cubic), number(b, root)])]);
  const t = b.add("Tanh", [u]);
  const uSlope = b.add("Add", [times(b, square, 3 * root * cubic), number(b, root)]);
  const tSlope = b.add("Mul", [b.add("Sub", [number(b, 1), b.add("Mul", [t, t])]), uSlope]);
  const both = b.add("Add", [b.add("Add", [t, number(b, 1)]), b.add("Mul", [x, tSlope])]);
  return times(b, both, 0.5);
}

/** s·(dy − Σ s·dy), along one axis. */
export const softmax = scaledBy(({ b, dy, node }, x) => {
  const axis = softmaxAxis(node);
  const s = b.add("Softmax", [x], { axis });
  const weighted = b.add("Mul", [s, dy]);
  return b.add("Sub", [weighted, b.add("Mul", [s, sumOver(b, weighted, [axis], 1)])]);
});

/** dy − s·Σ dy */
export const logSoftmax = scaledBy(({ b, dy, node }, x) => {
  const axis = softmaxAxis(node);
  return b.add("Sub", [dy, b.add("Mul", [b.add("Softmax", [x], { axis }), sumOver(b, dy, [axis], 1)])]);
});

const softmaxAxis = (node: Node): number => attribute(node, "axis", "int", -1);

/** −limit < x < limit */
const within = (b: GraphBuilder, x: ValueName, limit: number): ValueName =>
  b.add("Less", [b.add("Abs", [x]), number(b, limit)]);
