import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import type { Node, ValueName } from "../onnx/graph.ts";
import { int64 } from "../onnx/tensor.ts";
import type { Layer } from "./layers.ts";
import { type Quantized, quantizedOperand } from "./quantized.ts";

interface IntegerOperands {
  x: Quantized;
  w: Quantized;
  bias: Quantized | null;
  /** Scale and zero point of a quantized output; its value is what the layer writes. */
  y: Quantized | null;
}

/** How each weighted operator is written in integers, with a quantized output and with a real one. */
const FORMS: Readonly<Record<string, (quantized: boolean) => Form>> = {
  Conv: () => convolution,
  Gemm: (quantized) => (quantized ? quantizedGemm : floatProduct),
  MatMul: (quantized) => (quantized ? quantizedMatmul : floatProduct),
};

type Form = (b: GraphBuilder, layer: Layer, operands: IntegerOperands) => void;

/**
 * Writes a layer in integer operators: exactly what ONNX Runtime fuses the QDQ form to, but also where weight or bias are
 * computed by the graph, which the fusion does not accept. Integer sums are exact in any order, so that batch size, threads and
 * kernels do not matter; the one rounding behind them is the same instruction as in the fused form.
 */
export function lowerLayer(b: GraphBuilder, layer: Layer): void {
  const y = layer.output && {
    quantized: layer.output.outputs[0]!,
    scale: layer.output.inputs[1]!,
    zeroPoint: layer.output.inputs[2]!,
  };
  FORMS[layer.node.opType]!(y !== null)(b, layer, {
    x: quantizedOperand(layer.input!),
    w: quantizedOperand(layer.weight!.dequantize!),
    bias: layer.bias?.dequantize ? quantizedOperand(layer.bias.dequantize) : null,
    y,
  });
}

/** @see ONNX QLinearConv-10 */
const convolution: Form = (b, { node }, operands) =>
  b.adopt({
    ...node,
    opType: "QLinearConv",
    inputs: convolutionInputs(operands, operands.x.quantized, operands.w.quantized),
    outputs: [operands.y!.quantized],
  });

/** A quantized Gemm is a convolution over one pixel. x: [N, K], w: [O, K], y: [N, O] */
const quantizedGemm: Form = (b, { node }, operands) => {
  const pixel = b.constant("axes", int64([2, 3]));
  const x = b.add("Unsqueeze", [operands.x.quantized, pixel]);
  const rows = transB(node) ? operands.w.quantized : transposed(b, operands.w.quantized);
  const y = b.add("QLinearConv", convolutionInputs(operands, x, b.add("Unsqueeze", [rows, pixel])));
  b.adopt({ ...node, opType: "Squeeze", inputs: [y, pixel], outputs: [operands.y!.quantized], attributes: {} });
};

/** @see ONNX QLinearMatMul-21 */
const quantizedMatmul: Form = (b, { node }, { x, w, y }) =>
  b.adopt({
    ...node,
    opType: "QLinearMatMul",
    inputs: [x, w, y!].flatMap((operand, at) =>
      at < 2 ? [operand.quantized, operand.scale, operand.zeroPoint] : [operand.scale, operand.zeroPoint],
    ),
    outputs: [y!.quantized],
    attributes: {},
  });

/** (x·w in int32 + bias) · (x scale · w scale): the logits keep their full resolution. x: [N, …, K], w: [K, O], y: [N, …, O] */
const floatProduct: Form = (b, { node }, { x, w, bias }) => {
  const columns = node.opType === "Gemm" && transB(node) ? transposed(b, w.quantized) : w.quantized;
  const product = b.add("MatMulInteger", [x.quantized, columns, x.zeroPoint, w.zeroPoint]);
  const sum = bias ? b.add("Add", [product, bias.quantized]) : product;
  const real = b.add("Cast", [sum], { to: ELEMENT_CODES.float32 });
  b.adopt({ ...node, opType: "Mul", inputs: [real, b.add("Mul", [x.scale, w.scale])], attributes: {} });
};

const convolutionInputs = ({ x, w, bias, y }: IntegerOperands, xValue: ValueName, wValue: ValueName): ValueName[] => [
  xValue,
  x.scale,
  x.zeroPoint,
  wValue,
  w.scale,
  w.zeroPoint,
  y!.scale,
  y!.zeroPoint,
  bias!.quantized,
];

const transB = (node: Node): boolean => attribute(node, "transB", "int", 0) !== 0;

const transposed = (b: GraphBuilder, matrix: ValueName): ValueName => b.add("Transpose", [matrix], { perm: [1, 0] });
