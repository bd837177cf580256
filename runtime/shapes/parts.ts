import { attribute } from "../onnx/attributes.ts";
import type { Dim, Node } from "../onnx/graph.ts";
import { axisOf, knownDims, knownNumbers, noShape, operand, type ShapeContext, type ShapeRule } from "./rule.ts";

/** Operators that take values apart and put them together. */
export const PARTS = {
  Concat: (context) => {
    const parts = context.node.inputs.map((_, at) => operand(context, at));
    const { type, shape } = parts[0]!;
    const axis = axisOf(attribute(context.node, "axis", "int"), shape.length, context.node);
    return {
      type,
      shape: shape.with(
        axis,
        concatSizes(context, axis).reduce((sum, size) => sum + size, 0),
      ),
    };
  },

  Split: (context) => {
    const { type, shape } = operand(context, 0);
    const axis = axisOf(attribute(context.node, "axis", "int", 0), shape.length, context.node);
    return splitSizes(context, axis).map((size) => ({ type, shape: shape.with(axis, size) }));
  },

  Slice: (context) => {
    const { type, shape } = operand(context, 0);
    return {
      type,
      shape: cuts(context).reduce<readonly Dim[]>((dims, { axis, count }) => dims.with(axis, count), shape),
    };
  },

  Pad: (context) => {
    const { type, shape } = operand(context, 0);
    const padded = (size: Dim, { begin, end }: Padding) => fixed(size, context.node) + begin + end;
    return {
      type,
      shape: paddings(context).reduce<readonly Dim[]>(
        (dims, by) => dims.with(by.axis, padded(dims[by.axis]!, by)),
        shape,
      ),
    };
  },

  Gather: (context) => {
    const { type, shape } = operand(context, 0);
    const axis = axisOf(attribute(context.node, "axis", "int", 0), shape.length, context.node);
    return { type, shape: shape.toSpliced(axis, 1, ...operand(context, 1).shape) };
  },
} satisfies Record<string, ShapeRule>;

/** How much of a Concat's axis each operand fills. */
export const concatSizes = (context: ShapeContext, axis: number): number[] =>
  context.node.inputs.map((_, at) => fixed(operand(context, at).shape[axis]!, context.node));

/** How many elements come before and behind an axis; negative ones are cut off. */
export interface Padding {
  axis: number;
  begin: number;
  end: number;
}

/** The axes that a Pad changes. @see ONNX Pad-21 */
export function paddings(context: ShapeContext): Padding[] {
  const { shape } = operand(context, 0);
  const pads = knownNumbers(context, 1) ?? [];
  const axes = knownNumbers(context, 3) ?? [...shape.keys()];
  return axes
    .map((axis, at) => ({
      axis: axisOf(axis, shape.length, context.node),
      begin: pads[at]!,
      end: pads[at + axes.length]!,
    }))
    .filter(({ begin, end }) => begin !== 0 || end !== 0);
}

/** The part of an axis that a Slice keeps: `count` of its `size` elements, from `start` in steps. */
export interface Cut {
  axis: number;
  size: number;
  start: number;
  step: number;
  count: number;
}

/** The axes that a Slice changes. @see ONNX Slice-13 */
export function cuts(context: ShapeContext): Cut[] {
  const { node } = context;
  const { shape } = operand(context, 0);
  const starts = knownDims(context, 1) ?? [];
  const ends = knownDims(context, 2) ?? [];
  const axes = knownNumbers(context, 3) ?? starts.map((_, at) => at);
  const steps = knownNumbers(context, 4) ?? starts.map(() => 1);
  return axes.flatMap((given, at) => {
    const axis = axisOf(given, shape.length, node);
    const [size, step, start, end] = [shape[axis]!, steps[at]!, starts[at]!, ends[at]!];
    const whole = start === 0 && step === 1 && (end === size || (typeof end === "number" && end >= UNBOUNDED));
    if (whole) return [];
    if (typeof size !== "number" || typeof start !== "number" || typeof end !== "number") {
      throw noShape(node, `[${start}, ${end}) of ${size}`, "a batch that stays whole");
    }
    const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
    const clamped = (position: number, lowest: number) =>
      Math.min(Math.max(position < 0 ? position + size : position, lowest), high);
    const first = clamped(start, 0);
    const count = Math.max(Math.ceil((clamped(end, low) - first) / step), 0);
    return count === size && step === 1 ? [] : [{ axis, size, start: first, step, count }];
  });
}

/** Exporters write "to the end" as the largest int32 or int64. */
const UNBOUNDED = 2 ** 31 - 1;

/** The sizes of a Split's parts along its axis. @see ONNX Split-18 */
export function splitSizes(context: ShapeContext, axis: number): number[] {
  const given = knownNumbers(context, 1);
  if (given) return [...given];
  const size = fixed(operand(context, 0).shape[axis]!, context.node);
  const parts = context.node.outputs.length;
  const part = Math.ceil(size / parts);
  return Array.from({ length: parts }, (_, at) => Math.min(part, size - at * part));
}

function fixed(size: Dim, node: Node): number {
  if (typeof size === "number") return size;
  throw noShape(node, `${size} elements`, "a batch that stays whole");
}
