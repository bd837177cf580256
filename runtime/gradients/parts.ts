import { attribute } from "../onnx/attributes.ts";
import type { ValueName } from "../onnx/graph.ts";
import { int64 } from "../onnx/tensor.ts";
import { concatSizes, cuts, splitSizes } from "../shapes/parts.ts";
import { axisOf } from "../shapes/rule.ts";
import { padBy, sliceAlong } from "./padding.ts";
import { type GradientContext, type GradientRule, shapeContext } from "./rule.ts";

/** Each operand gets back its part. */
export const concat: GradientRule = (context) => {
  const { b, node, dy } = context;
  const axis = axisIn(context, attribute(node, "axis", "int"));
  const sizes = concatSizes(shapeContext(context), axis);
  const begins = offsets(sizes);
  return sizes.map((size, at) => () => sliceAlong(b, dy, axis, [begins[at]!, begins[at]! + size]));
};

/** The parts' gradients one after another, with zeros for those that the loss does not depend on. */
export const split: GradientRule = (context) => [
  () => {
    const { b, node, dys } = context;
    const axis = axisIn(context, attribute(node, "axis", "int", 0));
    const sizes = splitSizes(shapeContext(context), axis);
    const begins = offsets(sizes);
    const total = begins.at(-1)! + sizes.at(-1)!;
    const used = dys.flatMap((dy, at) => (dy ? [{ dy, begin: begins[at]!, end: begins[at]! + sizes[at]! }] : []));
    const parts = used.map(({ dy, begin, end }, at) => {
      const next = used[at + 1]?.begin ?? total;
      return padBy(b, dy, [{ axis, begin: at === 0 ? begin : 0, end: next - end }]);
    });
    return parts.length === 1 ? parts[0]! : b.add("Concat", parts, { axis });
  },
  null,
];

/** Zeros for what was left out. */
export const slice: GradientRule = (context) => [
  () => {
    const { b, dy } = context;
    const all = cuts(shapeContext(context));
    const stepped = all.filter(({ step }) => step !== 1);
    const padded = padBy(
      b,
      dy,
      all.map(({ axis, size, start, step, count }) =>
        // An axis with steps gets one row of zeros, that its gaps are filled from.
        step === 1 ? { axis, begin: start, end: size - start - count } : { axis, begin: 0, end: 1 },
      ),
    );
    return stepped.reduce((value, { axis, size, start, step, count }) => {
      const kept = Array.from({ length: count }, (_, at) => start + at * step);
      return b.add("Gather", [value, b.constant("rows", int64(inverse(kept, size)))], { axis });
    }, padded);
  },
  null,
  null,
  null,
  null,
];

/** Where each of `size` places stands in a list of some of them; behind its end for those that are not there. */
export function inverse(places: readonly number[], size: number): number[] {
  const found = Array<number>(size).fill(places.length);
  for (const [at, place] of places.entries()) found[place] = at;
  return found;
}

const offsets = (sizes: readonly number[]): number[] =>
  sizes.map((_, at) => sizes.slice(0, at).reduce((sum, size) => sum + size, 0));

const axisIn = ({ node, type }: GradientContext, axis: number): number =>
  axisOf(axis, type(node.inputs[0] as ValueName).shape.length, node);
