import { LichenError } from "../errors.ts";
import { attribute } from "../onnx/attributes.ts";
import type { Dim, Graph, Node } from "../onnx/graph.ts";
import { elementsPerSample } from "../shapes/dims.ts";
import type { ValueTypes } from "../shapes/infer.ts";

type Shape = readonly Dim[];

/** Multiply-accumulates of one node. @param operands shapes of its operands; @param output shape of its first output */
type Rule = (node: Node, operands: readonly (Shape | undefined)[], output: Shape) => number | undefined;

/** Each output element is a sum over the weight's [I/g, k…]. @param at place of w: [O, I/g, k…] */
const convolution =
  (at: number): Rule =>
  (_, operands, output) => {
    const w = operands[at];
    return w && elementsPerSample(output) * elementsPerSample(w.slice(1));
  };

/** Each input element is spread over the weight's [O/g, k…]; what falls on the cropped border is counted, as kernels compute it. */
const transposedConvolution: Rule = (_, [x, w]) => x && w && elementsPerSample(x) * elementsPerSample(w.slice(1));

/** Each output element is a sum over the last axis of a: [.., M, K]. */
const product: Rule = (_, [a], output) => a && elementsPerSample(output) * elementsPerSample(a.slice(-1));

/** The same where a may be [K, M]. */
const gemm: Rule = (node, [a], output) => {
  const k = a?.[attribute(node, "transA", "int", 0) ? 0 : 1];
  return k === undefined ? undefined : elementsPerSample(output) * elementsPerSample([k]);
};

/** Every step of the sequence passes through W and R once. x: [steps, N, I], or [N, steps, I] in layout 1. */
const recurrent: Rule = (node, [x, w, r]) => {
  const steps = x?.[attribute(node, "layout", "int", 0)];
  return steps === undefined || !w || !r
    ? undefined
    : elementsPerSample([steps]) * (elementsPerSample(w) + elementsPerSample(r));
};

/** From operator (with its domain, where that is not ai.onnx) to what it multiplies. What is not here multiplies next to nothing. */
const MULTIPLY_ACCUMULATES: Readonly<Record<string, Rule>> = {
  Conv: convolution(1),
  ConvInteger: convolution(1),
  ConvTranspose: transposedConvolution,
  Gemm: gemm,
  GRU: recurrent,
  LSTM: recurrent,
  MatMul: product,
  MatMulInteger: product,
  QLinearConv: convolution(3),
  QLinearMatMul: product,
  RNN: recurrent,
  "com.microsoft.FusedConv": convolution(1),
  "com.microsoft.FusedGemm": gemm,
  "com.microsoft.QGemm": gemm,
  "com.microsoft.QLinearConv": convolution(3),
};

export const qualifiedName = ({ domain, opType }: Node): string => [domain, opType].filter(Boolean).join(".");

/**
 * Multiply-accumulates of a node for one sample of the batch: 0 where its operator has none, null where a shape that matters is not
 * known. A symbol in a shape is the batch and counts as one; a batch of fixed size is divided out by `macsPerSample`.
 */
export function macsOf(node: Node, types: ValueTypes): number | null {
  const name = qualifiedName(node);
  const rule = Object.hasOwn(MULTIPLY_ACCUMULATES, name) ? MULTIPLY_ACCUMULATES[name] : undefined;
  if (!rule) return 0;
  const output = types.get(node.outputs[0]!)?.shape;
  const operands = node.inputs.map((input) => types.get(input)?.shape);
  return (output && rule(node, operands, output)) ?? null;
}

/**
 * Multiply-accumulates of an inference per sample: a function of shapes alone.
 * @throws NO_SHAPE where a shape that matters is not known
 */
export function macsPerSample(graph: Graph, types: ValueTypes): number {
  const total = graph.nodes.reduce((sum, node) => {
    const macs = macsOf(node, types);
    if (macs !== null) return sum + macs;
    throw new LichenError("NO_SHAPE", { at: `${node.opType} ${node.name}`, wanted: "shapes of its operands" });
  }, 0);
  return total / fixedBatch(graph);
}

/** How many samples an inference takes at once by the model's own word; 1 where the batch may vary. */
export function fixedBatch(graph: Graph): number {
  const batch = graph.inputs[0]?.shape[0];
  return typeof batch === "number" && batch > 1 ? batch : 1;
}
