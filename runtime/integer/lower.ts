import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import type { Node, ValueName } from "../onnx/graph.ts";
import { int64 } from "../onnx/tensor.ts";
import { type Layer, type Quantized, quantizedOperand } from "./layers.ts";

interface IntegerOperands {
  x: Quantized;
  w: Quantized;
  b: Quantized;
  /** Scale and zero point of a quantized output; its value is what the layer writes. */
  y: Quantized | null;
}

/**
 * Writes a layer in integer operators: exactly what ONNX Runtime fuses the QDQ form to, but also where weight or bias are
 * computed by the graph, which the fusion does not accept. Integer sums are exact in any order, so that batch size, threads and
 * kernels do not matter; the one rounding behind them is the same instruction as in the fused form.
 */
export function lowerLayer(b: GraphBuilder, layer: Layer): void {
  const [x, w, bias] = [layer.input, layer.weight, layer.bias].map(quantizedOperand);
  const output = layer.output && {
    quantized: layer.output.outputs[0]!,
    scale: layer.output.inputs[1]!,
    zeroPoint: layer.output.inputs[2]!,
  };
  const form = layer.node.opType === "Conv" ? convolution : output ? quantizedGemm : floatGemm;
  form(b, layer, { x: x!, w: w!, b: bias!, y: output });
}

/** @see ONNX QLinearConv-10 */
function convolution(b: GraphBuilder, { node }: Layer, operands: IntegerOperands): void {
  b.adopt({
    ...node,
    opType: "QLinearConv",
    inputs: qlinearInputs(operands, operands.x.quantized, operands.w.quantized),
    outputs: [operands.y!.quantized],
  });
}

/** A quantized Gemm is a convolution over one pixel. x: [N, K], w: [O, K], y: [N, O] */
function quantizedGemm(b: GraphBuilder, { node }: Layer, operands: IntegerOperands): void {
  const pixel = b.constant("axes", int64([2, 3]));
  const x = b.add("Unsqueeze", [operands.x.quantized, pixel]);
  const w = b.add("Unsqueeze", [rowsByOutput(b, node, operands.w.quantized), pixel]);
  const y = b.add("QLinearConv", qlinearInputs(operands, x, w));
  b.adopt({ ...node, opType: "Squeeze", inputs: [y, pixel], outputs: [operands.y!.quantized], attributes: {} });
}

/** (x·w in int32 + b) · (x scale · w scale): the logits keep their full resolution. x: [N, K], w: [K, O], y: [N, O] */
function floatGemm(b: GraphBuilder, { node }: Layer, operands: IntegerOperands): void {
  const { x, w, b: bias } = operands;
  const columns = transB(node) ? b.add("Transpose", [w.quantized], { perm: [1, 0] }) : w.quantized;
  const product = b.add("MatMulInteger", [x.quantized, columns, x.zeroPoint, w.zeroPoint]);
  const sum = b.add("Add", [product, bias.quantized]);
  const real = b.add("Cast", [sum], { to: ELEMENT_CODES.float32 });
  const scale = b.add("Mul", [x.scale, w.scale]);
  b.adopt({ ...node, opType: "Mul", inputs: [real, scale], attributes: {} });
}

const qlinearInputs = ({ x, w, b, y }: IntegerOperands, xValue: ValueName, wValue: ValueName): ValueName[] => [
  xValue,
  x.scale,
  x.zeroPoint,
  wValue,
  w.scale,
  w.zeroPoint,
  y!.scale,
  y!.zeroPoint,
  b.quantized,
];

const transB = (node: Node): boolean => attribute(node, "transB", "int", 0) !== 0;

const rowsByOutput = (b: GraphBuilder, node: Node, w: ValueName): ValueName =>
  transB(node) ? w : b.add("Transpose", [w], { perm: [1, 0] });
