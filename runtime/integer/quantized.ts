import { LichenError } from "../errors.ts";
import { dequantized } from "../onnx/dequantize.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import type { Tensor } from "../onnx/tensor.ts";

/** The operands of a DequantizeLinear: real = (quantized − zeroPoint) · scale. */
export interface Quantized {
  quantized: ValueName;
  scale: ValueName;
  zeroPoint: ValueName;
}

export const quantizedOperand = (dequantize: Node): Quantized => {
  const [quantized, scale, zeroPoint] = dequantize.inputs as [ValueName, ValueName, ValueName];
  return { quantized, scale, zeroPoint };
};

/** A DequantizeLinear, with one output named like itself. */
export const dequantizeNode = (name: string, { quantized, scale, zeroPoint }: Quantized, axis: number): Node => ({
  name,
  opType: "DequantizeLinear",
  domain: "",
  inputs: [quantized, scale, zeroPoint],
  outputs: [name],
  attributes: { axis: { kind: "int", value: axis } },
});

/** The constant of a graph. @throws NOT_QUANTIZED when the value is computed. */
export function constantOf(graph: Graph, name: ValueName): Tensor {
  const value = graph.initializers.get(name);
  if (value) return value;
  throw new LichenError("NOT_QUANTIZED", { at: `value ${name}`, found: "a computed value", wanted: "a constant" });
}

/**
 * A constant in real numbers, in its own order.
 * @param value the constant itself, where nothing dequantizes it  @param axis along which it may have a scale for each slice
 */
export function realConstant(graph: Graph, value: ValueName, dequantize: Node | null, axis: number): Float32Array {
  if (!dequantize) return constantOf(graph, value).data as Float32Array;
  const { quantized, scale, zeroPoint } = quantizedOperand(dequantize);
  const [codes, scales, zeros] = [quantized, scale, zeroPoint].map((name) => constantOf(graph, name)) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  return dequantized(codes, scales.data as Float32Array, zeros.data as Int8Array, axis);
}
