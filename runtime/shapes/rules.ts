import { LichenError } from "../errors.ts";
import { attribute } from "../onnx/attributes.ts";
import type { Dim, Node, ValueName } from "../onnx/graph.ts";
import type { ElementType, Tensor } from "../onnx/tensor.ts";
import { spatial } from "./spatial.ts";

export interface ValueType {
  readonly type: ElementType;
  readonly shape: readonly Dim[];
}

export interface ShapeContext {
  node: Node;
  /** Of the node's operands, in order; an absent optional one is missing. */
  inputs: readonly ValueType[];
  constant(name: ValueName): Tensor | undefined;
}

/** The type of a node's (first) output. */
export type ShapeRule = (context: ShapeContext) => ValueType;

const same: ShapeRule = ({ inputs: [x] }) => x!;

const broadcast: ShapeRule = ({ node, inputs: [a, b] }) => ({
  type: a!.type,
  shape: broadcastShapes(a!.shape, b!.shape, node),
});

/** [N, C, …] → [N, C, 1, …] */
const globalPool: ShapeRule = ({ inputs: [x] }) => ({
  type: x!.type,
  shape: x!.shape.map((dim, axis) => (axis < 2 ? dim : 1)),
});

export const SHAPES: Readonly<Record<string, ShapeRule>> = {
  Add: broadcast,
  Sub: broadcast,
  Mul: broadcast,
  Div: broadcast,
  Relu: same,
  Clip: same,
  Identity: same,
  GlobalAveragePool: globalPool,

  Conv: ({ node, inputs: [x, w] }) => {
    const { output } = spatial(node, x!.shape, w!.shape);
    return { type: x!.type, shape: [x!.shape[0]!, w!.shape[0]!, ...output] };
  },

  Gemm: ({ node, inputs: [a, b] }) => ({
    type: a!.type,
    shape: [
      a!.shape[attribute(node, "transA", "int", 0) ? 1 : 0]!,
      b!.shape[attribute(node, "transB", "int", 0) ? 0 : 1]!,
    ],
  }),

  MatMul: ({ node, inputs: [a, b] }) => {
    if (a!.shape.length < 2 || b!.shape.length < 2) throw noShape(node, "a vector operand", "matrices");
    const batch = broadcastShapes(a!.shape.slice(0, -2), b!.shape.slice(0, -2), node);
    return { type: a!.type, shape: [...batch, a!.shape.at(-2)!, b!.shape.at(-1)!] };
  },

  Flatten: ({ node, inputs: [x] }) => {
    const axis = attribute(node, "axis", "int", 1);
    return { type: x!.type, shape: [product(x!.shape.slice(0, axis), node), product(x!.shape.slice(axis), node)] };
  },

  Reshape: ({ node, inputs: [x], constant }) => {
    const target = constant(node.inputs[1]!);
    if (!target) throw noShape(node, "a computed target", "a constant target");
    return { type: x!.type, shape: reshaped(x!.shape, Array.from(target.data as BigInt64Array, Number), node) };
  },

  Transpose: ({ node, inputs: [x] }) => {
    const reversed = x!.shape.map((_, axis) => x!.shape.length - 1 - axis);
    return { type: x!.type, shape: attribute(node, "perm", "ints", reversed).map((axis) => x!.shape[axis]!) };
  },

  QuantizeLinear: ({ inputs }) => ({ type: inputs[2]?.type ?? "uint8", shape: inputs[0]!.shape }),
  DequantizeLinear: ({ inputs }) => ({ type: "float32", shape: inputs[0]!.shape }),
};

/** NumPy's rule; two different symbols do not broadcast. */
export function broadcastShapes(a: readonly Dim[], b: readonly Dim[], node: Node): Dim[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const x = a[axis - rank + a.length] ?? 1;
    const y = b[axis - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw noShape(node, `[${a}] with [${b}]`, "shapes that broadcast");
    return x === 1 ? y : x;
  });
}

/** A product with at most one symbol, which then stands alone: N·1·1 = N. */
function product(dims: readonly Dim[], node: Node): Dim {
  const symbols = dims.filter((dim) => typeof dim === "string");
  const size = dims.reduce<number>((total, dim) => (typeof dim === "number" ? total * dim : total), 1);
  if (symbols.length === 0) return size;
  if (symbols.length === 1 && size === 1) return symbols[0]!;
  throw noShape(node, `[${dims}] flattened together`, "a batch that stays by itself");
}

function reshaped(from: readonly Dim[], target: readonly number[], node: Node): Dim[] {
  const shape = target.map((size, axis): Dim => (size === 0 ? from[axis]! : size));
  const open = shape.indexOf(-1);
  if (open < 0) return shape;
  // The open size takes what the others leave; symbols that stand on both sides cancel.
  const rest = shape.filter((_, axis) => axis !== open);
  const left = [...from];
  for (const dim of rest) {
    if (typeof dim !== "string") continue;
    const match = left.indexOf(dim);
    if (match < 0) throw noShape(node, `[${from}] to [${target}]`, "a batch that stays by itself");
    left.splice(match, 1);
  }
  const known = rest.reduce<number>((total, dim) => (typeof dim === "number" ? total * dim : total), 1);
  const symbol = left.filter((dim) => typeof dim === "string");
  const size = left.reduce<number>((total, dim) => (typeof dim === "number" ? total * dim : total), 1) / known;
  if (symbol.length > 1 || (symbol.length === 1 && size !== 1) || !Number.isInteger(size)) {
    throw noShape(node, `[${from}] to [${target}]`, "sizes that divide");
  }
  return shape.with(open, symbol[0] ?? size);
}

export const noShape = (node: Node, found: string, wanted: string): LichenError =>
  new LichenError("NO_SHAPE", { at: `${node.opType} ${node.name}`, found, wanted });
