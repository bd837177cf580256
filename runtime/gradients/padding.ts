import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { int64, scalar } from "../onnx/tensor.ts";
import { type Padding, paddings } from "../shapes/parts.ts";
import { type GradientContext, type GradientRule, shapeContext, sumOver } from "./rule.ts";

/** Pads with zeros; negative sizes cut off. */
export function padBy(b: GraphBuilder, value: ValueName, by: readonly Padding[]): ValueName {
  const some = by.filter(({ begin, end }) => begin !== 0 || end !== 0);
  if (some.length === 0) return value;
  return b.add("Pad", [
    value,
    b.constant("pads", int64([...some.map(({ begin }) => begin), ...some.map(({ end }) => end)])),
    b.constant("zero", scalar("float32", 0)),
    b.constant("axes", int64(some.map(({ axis }) => axis))),
  ]);
}

/** Elements `start` to `end` along one axis; all of them, backwards, with step −1. */
export function sliceAlong(
  b: GraphBuilder,
  value: ValueName,
  axis: number,
  [start, end]: readonly [number, number],
  step: 1 | -1 = 1,
): ValueName {
  const [first, last] = step === 1 ? [start, end] : [end - 1, start === 0 ? Number.MIN_SAFE_INTEGER : start - 1];
  return b.add("Slice", [
    value,
    b.constant("starts", int64([first])),
    b.constant("ends", int64([last])),
    b.constant("axes", int64([axis])),
    b.constant("steps", int64([step])),
  ]);
}

/** What was padded is cut off, what was cut off was zero; copies of elements give their gradients back to them. @see ONNX Pad-21 */
export const pad: GradientRule = (context) => [
  () => {
    const { b, dy, node } = context;
    const by = paddings(shapeContext(context));
    const fold = FOLDS[attribute(node, "mode", "string", "constant")];
    if (!fold) return padBy(b, dy, by.map(negated));
    // Cutting comes before copying: what is copied are elements of the part that is left.
    const cropped = by.map(({ axis, begin, end }) => ({ axis, begin: Math.min(begin, 0), end: Math.min(end, 0) }));
    const folded = by.reduce((value, padding) => foldAxis(context, value, padding, fold), dy);
    return padBy(b, folded, cropped.map(negated));
  },
  null,
  null,
  null,
];

const negated = ({ axis, begin, end }: Padding): Padding => ({ axis, begin: -begin, end: -end });

interface Copies {
  /** Of a mode that copies backwards. */
  step: 1 | -1;
  /** Whether all copies are of one element. */
  summed: boolean;
  /** Where, among n elements, those stand that the copies in front and behind were made of. */
  front: (count: number, n: number) => number;
  behind: (count: number, n: number) => number;
}

const FOLDS: Readonly<Record<string, Copies>> = {
  reflect: { step: -1, summed: false, front: () => 1, behind: (count, n) => n - 1 - count },
  edge: { step: 1, summed: true, front: () => 0, behind: (_, n) => n - 1 },
  wrap: { step: 1, summed: false, front: (count, n) => n - count, behind: () => 0 },
};

/** Adds the gradients of the copies in front of and behind an axis to those of their originals. */
function foldAxis({ b, node, type }: GradientContext, dy: ValueName, padding: Padding, copies: Copies): ValueName {
  const { axis } = padding;
  const [begin, end] = [Math.max(padding.begin, 0), Math.max(padding.end, 0)];
  const size = type(node.inputs[0]!).shape[axis] as number;
  const n = size + Math.min(padding.begin, 0) + Math.min(padding.end, 0);
  const back = (range: readonly [number, number], count: number, at: number): ValueName => {
    const found = sliceAlong(b, dy, axis, range, copies.step);
    const originals = copies.summed ? sumOver(b, found, [axis], 1) : found;
    return padBy(b, originals, [{ axis, begin: at, end: n - at - (copies.summed ? 1 : count) }]);
  };
  const parts = [sliceAlong(b, dy, axis, [begin, begin + n])];
  if (begin > 0) parts.push(back([0, begin], begin, copies.front(begin, n)));
  if (end > 0) parts.push(back([begin + n, begin + n + end], end, copies.behind(end, n)));
  return parts.reduce((sum, part) => b.add("Add", [sum, part]));
}
