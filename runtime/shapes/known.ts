import { attribute } from "../onnx/attributes.ts";
import type { Dim } from "../onnx/graph.ts";
import { elementCount, type Tensor } from "../onnx/tensor.ts";
import { divide, multiply, product } from "./dims.ts";
import { axisOf, type ShapeContext, type ValueType } from "./rule.ts";

/*
 * Exporters compute the targets of Reshape, Expand and Slice from shapes, in graphs of their own: Shape → Gather → Mul → Concat.
 * Here such small graphs are evaluated with the batch as a symbol. What leaves the algebra of dims.ts is not known.
 */

interface KnownContext extends ShapeContext {
  output: ValueType;
}

/** Elements of the first output, or `undefined`. */
type KnownRule = (context: KnownContext) => readonly (Dim | undefined)[] | undefined;

/** More elements than any shape has: a constant beyond this is data. */
const LARGEST = 256;

export function knownElements(context: KnownContext): readonly Dim[] | undefined {
  const { node, output } = context;
  const rule = Object.hasOwn(KNOWN, node.opType) ? KNOWN[node.opType] : undefined;
  const count = product(output.shape);
  if (!rule || typeof count !== "number" || count > LARGEST) return undefined;
  const found = rule(context);
  if (found?.length !== count || !found.every((element) => element !== undefined)) return undefined;
  // JavaScript's −0 is no integer.
  return found.map((element) => (typeof element === "number" ? element + 0 : element));
}

export const knownConstant = (value: Tensor): readonly number[] | undefined =>
  value.data.length <= LARGEST ? Array.from<number | bigint, number>(value.data, Number) : undefined;

const same: KnownRule = ({ inputs: [x] }) => x?.known;

/** Of each element, where it is a number. */
const unary =
  (apply: (x: number) => number): KnownRule =>
  ({ inputs: [x] }) =>
    x?.known?.map((element) => (typeof element === "number" ? apply(element) : undefined));

type Binary = (a: Dim, b: Dim, integers: boolean) => Dim | undefined;

const binary =
  (apply: Binary): KnownRule =>
  ({ inputs, output }) => {
    const [a, b] = inputs.map((input) => input?.known);
    const count = Math.max(a?.length ?? 0, b?.length ?? 0);
    // Vectors and scalars: a longer result has broadcast over two axes.
    if (!a || !b || count !== elementCount(output.shape as number[])) return undefined;
    const integers = !output.type.startsWith("float");
    return Array.from({ length: count }, (_, at) => apply(pick(a, at)!, pick(b, at)!, integers));
  };

const pick = (elements: readonly Dim[], at: number): Dim | undefined =>
  elements.length === 1 ? elements[0] : elements[at];

/** For numbers alone. */
const numeric = (apply: (a: number, b: number) => number): KnownRule =>
  binary((a, b) => (typeof a === "number" && typeof b === "number" ? apply(a, b) : undefined));

/** A batch is at least one sample. */
const equal: Binary = (a, b) => {
  if (typeof a === typeof b) return a === b ? 1 : typeof a === "number" ? 0 : undefined;
  const number = typeof a === "number" ? a : b;
  return (number as number) <= 0 ? 0 : undefined;
};

const KNOWN: Readonly<Record<string, KnownRule>> = {
  Identity: same,
  Squeeze: same,
  Unsqueeze: same,
  Reshape: same,
  Flatten: same,
  Cast: ({ inputs: [x], output }) =>
    x?.known?.map((element) =>
      typeof element === "string" || output.type.startsWith("float") ? element : Math.trunc(element),
    ),

  Constant: ({ node }) => {
    const value = node.attributes.value;
    if (value?.kind === "tensor") return knownConstant(value.value);
    const plain = node.attributes.value_int ?? node.attributes.value_float;
    if (plain) return [plain.value as number];
    return (node.attributes.value_ints ?? node.attributes.value_floats)?.value as readonly number[] | undefined;
  },

  Shape: ({ node, inputs: [x] }) =>
    x!.shape.slice(attribute(node, "start", "int", 0), attribute(node, "end", "int", x!.shape.length)),
  Size: ({ inputs: [x] }) => [product(x!.shape)],

  ConstantOfShape: ({ node, output }) => {
    const fill = node.attributes.value?.kind === "tensor" ? Number(node.attributes.value.value.data[0]) : 0;
    return Array<number>(elementCount(output.shape as number[])).fill(fill);
  },

  Range: ({ inputs }) => {
    const [start, limit, delta] = inputs.map((input) => input?.known?.[0]);
    if (typeof start !== "number" || typeof limit !== "number" || typeof delta !== "number") return undefined;
    return Array.from({ length: Math.max(Math.ceil((limit - start) / delta), 0) }, (_, at) => start + at * delta);
  },

  Gather: ({ node, inputs: [x, indices], output }) => {
    const [from, chosen] = [x!.shape as number[], indices!];
    const axis = axisOf(attribute(node, "axis", "int", 0), from.length, node);
    const width = chosen.shape.length;
    return rearranged(x!, output, (place) => {
      const index = chosen.known?.[offsetOf(place.slice(axis, axis + width), chosen.shape as number[])];
      if (typeof index !== "number") return undefined;
      return place.toSpliced(axis, width, index < 0 ? index + from[axis]! : index);
    });
  },

  Concat: ({ inputs, output }) =>
    output.shape.length === 1 && inputs.every((input) => input!.known)
      ? inputs.flatMap((input) => input!.known!)
      : undefined,

  Slice: ({ node, inputs: [x, ...rest], output }) => {
    if (rest.some((input) => input && !input.known)) return undefined;
    const from = x!.shape as number[];
    const [starts, , givenAxes, steps] = rest.map((input) => input?.known as number[] | undefined);
    const axes = givenAxes ?? [...starts!.keys()];
    const [begins, strides] = [from.map(() => 0), from.map(() => 1)];
    for (const [at, given] of axes.entries()) {
      const axis = axisOf(given, from.length, node);
      const stride = steps?.[at] ?? 1;
      const start = starts![at]! < 0 ? starts![at]! + from[axis]! : starts![at]!;
      strides[axis] = stride;
      begins[axis] = Math.min(Math.max(start, 0), stride < 0 ? from[axis]! - 1 : from[axis]!);
    }
    return rearranged(x!, output, (place) => place.map((at, axis) => begins[axis]! + at * strides[axis]!));
  },

  Transpose: ({ node, inputs: [x], output }) => {
    const reversed = x!.shape.map((_, axis) => x!.shape.length - 1 - axis);
    const perm = attribute(node, "perm", "ints", reversed);
    return rearranged(x!, output, (place) => perm.map((_, axis) => place[perm.indexOf(axis)]!));
  },

  Expand: ({ inputs: [x], output }) =>
    x!.known?.length === 1 ? Array<Dim>(elementCount(output.shape as number[])).fill(x!.known[0]!) : x!.known,

  Where: ({ inputs, output }) => {
    const [condition, a, b] = inputs.map((input) => input?.known);
    if (!condition || !a || !b) return undefined;
    return Array.from({ length: elementCount(output.shape as number[]) }, (_, at) =>
      pick(pick(condition, at) === 1 ? a : b, at),
    );
  },

  Add: binary((a, b) =>
    a === 0 ? b : b === 0 ? a : typeof a === "number" && typeof b === "number" ? a + b : undefined,
  ),
  Sub: binary((a, b) =>
    b === 0 ? a : a === b ? 0 : typeof a === "number" && typeof b === "number" ? a - b : undefined,
  ),
  Mul: binary((a, b) => (typeof a === "number" && typeof b === "number" ? a * b : multiply(a, b))),
  Div: binary((a, b, integers) => {
    if (typeof a !== "number" || typeof b !== "number") return divide(a, b);
    return integers ? Math.trunc(a / b) : a / b;
  }),
  Mod: numeric((a, b) => ((a % b) + b) % b),
  Min: binary((a, b) => (a === b ? a : typeof a === "number" && typeof b === "number" ? Math.min(a, b) : undefined)),
  Max: binary((a, b) => (a === b ? a : typeof a === "number" && typeof b === "number" ? Math.max(a, b) : undefined)),
  Equal: binary(equal),
  Greater: numeric((a, b) => Number(a > b)),
  GreaterOrEqual: numeric((a, b) => Number(a >= b)),
  Less: numeric((a, b) => Number(a < b)),
  LessOrEqual: numeric((a, b) => Number(a <= b)),
  And: numeric((a, b) => a & b),
  Or: numeric((a, b) => a | b),

  Not: unary((x) => 1 - x),
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Sqrt: unary(Math.sqrt),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),

  ReduceProd: ({ inputs: [x], output }) => (x!.known && product(output.shape) === 1 ? [product(x!.known)] : undefined),
};

/** Each element of the output from its place in x. */
function rearranged(
  x: ValueType,
  output: ValueType,
  source: (place: readonly number[]) => readonly number[] | undefined,
): (Dim | undefined)[] | undefined {
  const [from, to] = [x.shape as number[], output.shape as number[]];
  if (!x.known) return undefined;
  return Array.from({ length: elementCount(to) }, (_, at) => {
    const place = source(placeOf(at, to));
    return place && x.known![offsetOf(place, from)];
  });
}

/** Row-major: the last axis runs fastest. */
const offsetOf = (place: readonly number[], shape: readonly number[]): number =>
  place.reduce((offset, at, axis) => offset * shape[axis]! + at, 0);

function placeOf(offset: number, shape: readonly number[]): number[] {
  let rest = offset;
  return shape
    .toReversed()
    .map((size) => {
      const at = rest % size;
      rest = Math.floor(rest / size);
      return at;
    })
    .toReversed();
}
