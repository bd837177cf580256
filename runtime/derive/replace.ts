import { findLayers, isWeighted, type Layer } from "../integer/layers.ts";
import { constantOf, quantizedOperand } from "../integer/quantized.ts";
import { GraphBuilder } from "../onnx/builder.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { elementCount, float32, zeros, zeroTensor } from "../onnx/tensor.ts";
import { prune } from "../passes/prune.ts";
import { inferTypes } from "../shapes/infer.ts";
import type { Base } from "./base.ts";
import { growHead, headOf } from "./grow.ts";

/** Which classes a task or an adapter wants, in outputs. */
export interface WantedClasses {
  classes: readonly string[];
  /** Whether they stand in the place of the model's own, rather than behind them. */
  replaced?: boolean | undefined;
}

/** The base as it answers with other classes. @param own classes that the model has by itself @throws CANNOT_GROW */
export const withClasses = (base: Base, { classes, replaced }: WantedClasses, own: number): Base =>
  replaced ? replaceHead(base, classes.length) : growHead(base, Math.max(0, classes.length - own));

/**
 * The base with a head for wholly other classes: one linear layer of zeros where its own was, on the same features. What stood behind
 * it was made for the old classes and goes, the quantizers of their logits and of the answer too: logits are real numbers. A Softmax
 * or Sigmoid stays the model's answer. Whatever the old head was, int8 weights per class follow what is trained; the features stay
 * in integers where the base has them so.
 * @throws CANNOT_GROW when the logits are not what a linear layer gives
 */
export function replaceHead(base: Base, classes: number): Base {
  const { graph, types, logits, output, activation } = base;
  const old = headOf(base).find(isWeighted)!;
  const b = new GraphBuilder({ source: graph });
  const { features, step } = flattened(b, base, old);
  const width = elementCount(types.get(old.node.inputs[0]!)!.shape.slice(1) as number[]);
  const [weight, bias] = step === null ? realOperands(b, classes, width) : integerOperands(b, classes, width, step);
  b.adopt({
    name: old.node.name,
    opType: "Gemm",
    domain: "",
    inputs: [features, weight, bias],
    outputs: [logits.name],
    attributes: { transB: { kind: "int", value: 1 } },
  });
  if (activation !== "none") b.adopt({ ...last(activation), inputs: [logits.name], outputs: [output.name] });

  const head = b.build(graph.name);
  const replaced = new Set([old.node, ...graph.nodes.filter(({ outputs }) => outputs.some((name) => b.has(name)))]);
  const kept: Graph = {
    ...graph,
    nodes: [...graph.nodes.filter((node) => !replaced.has(node)), ...head.nodes],
    initializers: new Map([...graph.initializers, ...head.initializers]),
    outputs: [{ name: output.name, type: "float32", shape: [output.shape[0]!, classes] }],
  };
  const whole = prune(kept);
  const wholeTypes = inferTypes(whole);
  const info = (name: ValueName) => ({ name, ...wholeTypes.get(name)! });
  return {
    ...base,
    graph: whole,
    types: wholeTypes,
    layers: findLayers(whole, wholeTypes),
    output: info(output.name),
    logits: info(logits.name),
    classes,
  };
}

/** What the old head read, one row a sample; in integers, whose step is then given, where an integer kernel can read it. */
function flattened(
  b: GraphBuilder,
  { graph, types }: Base,
  { input, node }: Layer,
): { features: ValueName; step: number | null } {
  const flat = (value: ValueName) =>
    types.get(value)!.shape.length === 2 ? value : b.add("Flatten", [value], { axis: 1 }, `${node.name}_features`);
  if (!input) return { features: flat(node.inputs[0]!), step: null };
  const { quantized, scale, zeroPoint } = quantizedOperand(input);
  const [steps, zero] = [constantOf(graph, scale), constantOf(graph, zeroPoint)];
  if (steps.data.length !== 1 || !BYTES.has(zero.type)) return { features: flat(node.inputs[0]!), step: null };
  return {
    features: b.add("DequantizeLinear", [flat(quantized), scale, zeroPoint], {}, `${node.name}_input`),
    step: steps.data[0] as number,
  };
}

const BYTES: ReadonlySet<string> = new Set(["int8", "uint8"]);

/**
 * A grid so fine that every row that is trained outgrows it: each gets the one that suits it. As long as all weights are zero it is
 * there for the bias, whose steps follow from it.
 */
const FINEST = 2 ** -24;

/** Weights of zero stand for seven bits, which no kernel's sums of pairs saturate. @see quantizedRange */
function integerOperands(b: GraphBuilder, classes: number, width: number, step: number): [ValueName, ValueName] {
  const dequantized = (name: string, type: "int8" | "int32", dims: readonly number[], scale: number) => {
    const operands = [
      b.constant(name, { ...zeros(type, elementCount(dims)), dims }),
      b.constant(`${name}_scale`, float32([classes], new Float32Array(classes).fill(scale))),
      b.constant(`${name}_zero_point`, zeros(type, classes)),
    ];
    return b.add("DequantizeLinear", operands, { axis: 0 }, `${name}_real`);
  };
  return [
    dequantized("new_head_weight", "int8", [classes, width], FINEST),
    dequantized("new_head_bias", "int32", [classes], Math.fround(step * FINEST)),
  ];
}

const realOperands = (b: GraphBuilder, classes: number, width: number): [ValueName, ValueName] => [
  b.constant("new_head_weight", zeroTensor([classes, width])),
  b.constant("new_head_bias", zeroTensor([classes])),
];

const last = (opType: "Softmax" | "LogSoftmax" | "Sigmoid"): Omit<Node, "inputs" | "outputs"> => ({
  name: "answer",
  opType,
  domain: "",
  attributes: opType === "Sigmoid" ? {} : { axis: { kind: "int", value: -1 } },
});
