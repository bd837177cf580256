import { scalar } from "../onnx/tensor.ts";
import { broadcastShapes, knownNumbers } from "../shapes/rule.ts";
import { where } from "./elementwise.ts";
import { type GradientRule, reshapeTo, shapeContext, sumOver, sumTo } from "./rule.ts";

/** Copies add up. */
export const expand: GradientRule = ({ b, node, dy, type }) => [
  () => {
    const x = type(node.inputs[0]!).shape;
    return sumTo(b, dy, broadcastShapes(x, type(node.inputs[1]!).known ?? [], node), x);
  },
  null,
];

/** [..d] → [..r·d]: the repetitions add up. */
export const tile: GradientRule = (context) => [
  () => {
    const { b, node, dy, type } = context;
    const { shape } = type(node.inputs[0]!);
    const repeats = knownNumbers(shapeContext(context), 1)!;
    const apart = shape.flatMap((dim, axis) => (repeats[axis] === 1 ? [dim] : [repeats[axis]!, dim]));
    // Each repeated axis has become two; the first of them counts the repetitions.
    const axes = shape.flatMap((_, axis) => {
      const before = repeats.slice(0, axis).filter((count) => count !== 1).length;
      return repeats[axis] === 1 ? [] : [axis + before];
    });
    return axes.length === 0 ? dy : sumOver(b, reshapeTo(b, dy, apart), axes, 0);
  },
  null,
];

/** The condition chooses, and has no gradient itself. */
export const choose: GradientRule = ({ b, node, dy, type }) => {
  const [condition, x, y] = node.inputs.map((name) => type(name).shape);
  const out = broadcastShapes(broadcastShapes(condition!, x!, node), y!, node);
  const zero = () => b.constant("zero", scalar("float32", 0));
  return [
    null,
    () => sumTo(b, where(b, node.inputs[0]!, dy), out, x!),
    () => sumTo(b, b.add("Where", [node.inputs[0]!, zero(), dy]), out, y!),
  ];
};
