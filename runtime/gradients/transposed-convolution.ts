import type { Attribute } from "../onnx/graph.ts";
import { transposedSpatial } from "../shapes/spatial.ts";
import { convolution } from "./convolution.ts";
import { type GradientRule, sumOver } from "./rule.ts";

/**
 * Y = ConvTranspose(X, W, B) is what the gradient of a Conv with respect to its operand is, so that X and dY change places here.
 * X: [N, I, …in], W: [I, O/g, …k], B: [O], dY: [N, O, …out]. @see ONNX ConvTranspose-11
 */
export const transposedConvolution: GradientRule = ({ b, node, dy, type }) => {
  const [x, w] = [node.inputs[0]!, node.inputs[1]!];
  const g = transposedSpatial(node, type(x).shape, type(w).shape);
  // What output_padding adds beyond the padding was the bias alone, and is less than a stride: no window begins there.
  const ends = g.ends.map((end, axis) => Math.max(end - g.outputPadding[axis]!, 0));
  const conv = {
    ...node,
    opType: "Conv",
    inputs: [dy, w],
    attributes: {
      strides: ints(g.strides),
      dilations: ints(g.dilations),
      pads: ints([...g.begins, ...ends]),
      group: { kind: "int", value: g.groups },
    } satisfies Record<string, Attribute>,
  };
  const outChannels = (type(w).shape[1] as number) * g.groups;
  const dyType = { type: type(x).type, shape: [type(x).shape[0]!, outChannels, ...g.output] };
  return [
    () => {
      const dx = b.fresh("Conv");
      b.adopt({ ...conv, name: dx, outputs: [dx] });
      return dx;
    },
    () => convolution({ b, node: conv, dy: x, dys: [x], type: (name) => (name === dy ? dyType : type(name)) })[1]!(),
    () => sumOver(b, dy, [0, ...g.input.map((_, axis) => axis + 2)], 0),
  ];
};

const ints = (value: readonly number[]): Attribute => ({ kind: "ints", value });
