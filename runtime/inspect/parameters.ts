import type { ValueName } from "../onnx/graph.ts";
import { elementCount } from "../onnx/tensor.ts";
import type { Outline, OutlinedConstant, OutlinedNode } from "./outline.ts";

/** A constant that a node was trained with, and where it stands among the operands. */
export interface OwnedParameter extends OutlinedConstant {
  name: ValueName;
  elements: number;
  isDequantized: boolean;
}

/** Operands that hold parameters, by operator; the first is the weight. Scales, zero points, bounds and shapes are none. */
const PARAMETER_OPERANDS: Readonly<Record<string, readonly number[]>> = {
  Add: [0, 1],
  BatchNormalization: [1, 2, 3, 4],
  Conv: [1, 2],
  ConvInteger: [1],
  ConvTranspose: [1, 2],
  Div: [0, 1],
  Gather: [0],
  Gemm: [1, 2],
  GroupNormalization: [1, 2],
  GRU: [1, 2, 3],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  LSTM: [1, 2, 3, 7],
  MatMul: [1, 0],
  MatMulInteger: [1, 0],
  Mul: [0, 1],
  PRelu: [1],
  QLinearConv: [3, 8],
  QLinearMatMul: [3, 0],
  RMSNormalization: [1],
  RNN: [1, 2, 3],
  Sub: [0, 1],
  "com.microsoft.Attention": [1, 2],
  "com.microsoft.DynamicQuantizeMatMul": [1, 4],
  "com.microsoft.FusedConv": [1, 2],
  "com.microsoft.FusedGemm": [1, 2],
  "com.microsoft.FusedMatMul": [1, 0],
  "com.microsoft.MatMulNBits": [1, 2],
  "com.microsoft.QGemm": [3, 6],
  "com.microsoft.QLinearAdd": [0, 3],
  "com.microsoft.QLinearConv": [3, 8],
  "com.microsoft.QLinearMul": [0, 3],
  "com.microsoft.SkipLayerNormalization": [2, 3, 4],
};

/** Through these a constant stays the same numbers in another form. */
const PASSES_ON: ReadonlySet<string> = new Set([
  "Cast",
  "DequantizeLinear",
  "Flatten",
  "Identity",
  "QuantizeLinear",
  "Reshape",
  "Squeeze",
  "Transpose",
  "Unsqueeze",
]);

const INDEX_TYPES: ReadonlySet<string> = new Set(["int64", "bool", "string"]);

/** From node to the parameters it reads. */
export function parametersOf({ nodes, constants }: Outline): (node: OutlinedNode) => OwnedParameter[] {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const trace = (value: ValueName): OwnedParameter | undefined => {
    let isDequantized = false;
    for (let name = value; ; ) {
      const constant = constants.get(name);
      if (constant) return { name, ...constant, elements: elementCount(constant.dims), isDequantized };
      const producer = producers.get(name);
      if (!producer || !PASSES_ON.has(producer.operator)) return undefined;
      isDequantized ||= producer.operator === "DequantizeLinear";
      name = producer.inputs[0]!;
    }
  };
  return (node) =>
    (Object.hasOwn(PARAMETER_OPERANDS, node.operator) ? PARAMETER_OPERANDS[node.operator]! : [])
      .flatMap((at) => trace(node.inputs[at] ?? "") ?? [])
      // A single number beside a sum or product is arithmetic: nobody trained it.
      .filter(({ elements, dims, type }) => !INDEX_TYPES.has(type) && (elements > 1 || dims.length > 0));
}
