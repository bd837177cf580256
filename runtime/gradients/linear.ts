import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { Dim, Node, ValueName } from "../onnx/graph.ts";
import { broadcastShapes } from "../shapes/rule.ts";
import { type GradientRule, once, reshapeTo, sumTo, times } from "./rule.ts";

/** Y = α·A'·B' + β·C. A': [M, K], B': [K, N], C broadcasts to [M, N]. @see ONNX Gemm-13 */
export const gemm: GradientRule = ({ b, node, dy, type }) => {
  const [a, w, c] = node.inputs as [ValueName, ValueName, ValueName?];
  const transA = attribute(node, "transA", "int", 0);
  const transB = attribute(node, "transB", "int", 0);
  const product = (x: ValueName, y: ValueName, transX: number, transY: number) =>
    b.add("Gemm", [x, y], { transA: transX, transB: transY, alpha: { float: alpha(node) } });
  return [
    // dA' = dY·B'ᵀ, dB' = A'ᵀ·dY; a transposed operand's gradient is transposed as well.
    () => (transA ? product(w, dy, transB, 1) : product(dy, w, 0, 1 - transB)),
    () => (transB ? product(dy, a, 1, transA) : product(a, dy, 1 - transA, 0)),
    () => {
      const rows = type(a).shape[transA ? 1 : 0]!;
      const columns = type(w).shape[transB ? 0 : 1]!;
      return times(b, sumTo(b, dy, [rows, columns], type(c!).shape), attribute(node, "beta", "float", 1));
    },
  ];
};

const alpha = (node: Node): number => attribute(node, "alpha", "float", 1);

/** Y = A·B over the last two axes, broadcasting the others. A vector is a row in front and a column behind. @see ONNX MatMul-13 */
export const matmul: GradientRule = ({ b, node, dy, type }) => {
  const [a, w] = node.inputs as [ValueName, ValueName];
  const [aShape, wShape] = [type(a).shape, type(w).shape];
  const [left, right] = [aShape.length > 1 ? aShape : [1, ...aShape], wShape.length > 1 ? wShape : [...wShape, 1]];
  const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2), node);
  const [rows, inner, columns] = [left.at(-2)!, left.at(-1)!, right.at(-1)!];
  // Vectors left out of the output one axis each, that the matrices have.
  const asMatrices = (value: ValueName, from: readonly Dim[], to: readonly Dim[]) =>
    from === to ? value : reshapeTo(b, value, to);
  const dY = once(() => (left === aShape && right === wShape ? dy : reshapeTo(b, dy, [...batch, rows, columns])));
  return [
    () => {
      const product = b.add("MatMul", [dY(), transposed(b, asMatrices(w, wShape, right), right.length)]);
      return asMatrices(sumTo(b, product, [...batch, rows, inner], left), left, aShape);
    },
    () => {
      const A = asMatrices(a, aShape, left);
      if (right.length === 2 && left.length > 2) {
        // One matrix for all: the batch's rows stand one below another, and one product sums over them.
        const [tall, tallY] = [reshapeTo(b, A, ["rows", inner]), reshapeTo(b, dY(), ["rows", columns])];
        return asMatrices(b.add("Gemm", [tall, tallY], { transA: 1 }), right, wShape);
      }
      const product = b.add("MatMul", [transposed(b, A, left.length), dY()]);
      return asMatrices(sumTo(b, product, [...batch, inner, columns], right), right, wShape);
    },
  ];
};

const transposed = (b: GraphBuilder, value: ValueName, rank: number): ValueName =>
  b.add("Transpose", [value], { perm: [...Array(rank - 2).keys(), rank - 1, rank - 2] });
