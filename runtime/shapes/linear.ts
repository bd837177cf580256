import { attribute } from "../onnx/attributes.ts";
import type { Dim, Node } from "../onnx/graph.ts";
import { broadcastShapes, noShape, operand, type ShapeRule } from "./rule.ts";
import { spatial, transposedSpatial } from "./spatial.ts";

export const LINEAR = {
  Conv: (context) => {
    const [x, w] = [operand(context, 0), operand(context, 1)];
    const { output } = spatial(context.node, x.shape, w.shape);
    return { type: x.type, shape: [x.shape[0]!, w.shape[0]!, ...output] };
  },

  ConvTranspose: (context) => {
    const [x, w] = [operand(context, 0), operand(context, 1)];
    const { output, groups } = transposedSpatial(context.node, x.shape, w.shape);
    return { type: x.type, shape: [x.shape[0]!, (w.shape[1] as number) * groups, ...output] };
  },

  Gemm: (context) => {
    const [a, b] = [operand(context, 0), operand(context, 1)];
    const transposed = (name: string) => attribute(context.node, name, "int", 0) !== 0;
    return {
      type: a.type,
      shape: [a.shape[transposed("transA") ? 1 : 0]!, b.shape[transposed("transB") ? 0 : 1]!],
    };
  },

  MatMul: (context) => {
    const [a, b] = [operand(context, 0), operand(context, 1)];
    return { type: a.type, shape: matmulShape(a.shape, b.shape, context.node) };
  },
} satisfies Record<string, ShapeRule>;

/** A vector stands for a matrix of one row (in front) or one column (behind), and that axis goes again. @see numpy.matmul */
export function matmulShape(a: readonly Dim[], b: readonly Dim[], node: Node): Dim[] {
  if (a.length === 0 || b.length === 0) throw noShape(node, "a scalar operand", "matrices or vectors");
  const batch = broadcastShapes(a.slice(0, -2), b.slice(0, -2), node);
  if (a.at(-1) !== b.at(-2) && b.length > 1) throw noShape(node, `[${a}] by [${b}]`, "matrices that fit");
  return [...batch, ...(a.length > 1 ? [a.at(-2)!] : []), ...(b.length > 1 ? [b.at(-1)!] : [])];
}
