import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { Node, ValueName } from "../onnx/graph.ts";
import { scalar } from "../onnx/tensor.ts";
import { broadcastShapes } from "../shapes/rule.ts";
import { type GradientRule, sumTo } from "./rule.ts";

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
      return scaled(b, sumTo(b, dy, [rows, columns], type(c!).shape), attribute(node, "beta", "float", 1));
    },
  ];
};

const alpha = (node: Node): number => attribute(node, "alpha", "float", 1);

const scaled = (b: GraphBuilder, value: ValueName, factor: number): ValueName =>
  factor === 1 ? value : b.add("Mul", [value, b.constant("factor", scalar("float32", factor))]);

/** Y = A·B over the last two axes, broadcasting the others. @see ONNX MatMul-13 */
export const matmul: GradientRule = ({ b, node, dy, type }) => {
  const [a, w] = node.inputs as [ValueName, ValueName];
  const [aShape, wShape] = [type(a).shape, type(w).shape];
  const batch = broadcastShapes(aShape.slice(0, -2), wShape.slice(0, -2), node);
  const transposed = (value: ValueName, rank: number) =>
    b.add("Transpose", [value], { perm: [...Array(rank - 2).keys(), rank - 1, rank - 2] });
  const [rows, inner, columns] = [aShape.at(-2)!, aShape.at(-1)!, wShape.at(-1)!];
  return [
    () => sumTo(b, b.add("MatMul", [dy, transposed(w, wShape.length)]), [...batch, rows, inner], aShape),
    () => sumTo(b, b.add("MatMul", [transposed(a, aShape.length), dy]), [...batch, inner, columns], wShape),
  ];
};
