import { LichenError } from "../errors.ts";
import type { Dim, Node } from "../onnx/graph.ts";
import type { ElementType } from "../onnx/tensor.ts";

export interface ValueType {
  readonly type: ElementType;
  readonly shape: readonly Dim[];
  /** The elements, in row-major order, where they are few and known before anything runs: shapes, axes, what is computed of them. */
  readonly known?: readonly Dim[];
}

export interface ShapeContext {
  readonly node: Node;
  /** One entry per operand of the node; `undefined` where an optional one is absent. */
  readonly inputs: readonly (ValueType | undefined)[];
}

/** The type of a node's output, or of each of its outputs in order. */
export type ShapeRule = (context: ShapeContext) => ValueType | readonly ValueType[];

/** Operand `at`, that the specification demands. @throws NO_SHAPE */
export function operand({ node, inputs }: ShapeContext, at: number): ValueType {
  const found = inputs[at];
  if (!found) throw noShape(node, `no operand ${at}`, "an operand there");
  return found;
}

/** The elements of operand `at`; `undefined` where the operand is absent. @throws NO_SHAPE where they are known only when the model runs. */
export function knownDims({ node, inputs }: ShapeContext, at: number): readonly Dim[] | undefined {
  const found = inputs[at];
  if (found && !found.known) {
    throw noShape(node, `${node.inputs[at]}, computed as the model runs`, "a constant, or what follows from shapes");
  }
  return found?.known;
}

/** The same, where a symbol makes no sense: axes, pads, steps. */
export function knownNumbers(context: ShapeContext, at: number): readonly number[] | undefined {
  return knownDims(context, at)?.map((dim) => {
    if (typeof dim === "number") return dim;
    throw noShape(context.node, `${context.node.inputs[at]}, which depends on ${dim}`, "fixed numbers");
  });
}

/** An axis counted from the front. @throws NO_SHAPE where it is none. */
export function axisOf(axis: number, rank: number, node: Node): number {
  const found = axis < 0 ? axis + rank : axis;
  if (found < 0 || found >= Math.max(rank, 1)) throw noShape(node, `axis ${axis}`, `an axis of ${rank}`);
  return found;
}

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

export const noShape = (node: Node, found: string, wanted: string): LichenError =>
  new LichenError("NO_SHAPE", { at: `${node.opType} ${node.name}`, found, wanted });
