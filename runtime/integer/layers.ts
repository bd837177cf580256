import { attribute } from "../onnx/attributes.ts";
import type { Dim, Graph, Node, ValueName } from "../onnx/graph.ts";
import { elementCount, type Tensor } from "../onnx/tensor.ts";
import type { ValueTypes } from "../shapes/infer.ts";
import { paceOf } from "./pace.ts";
import { constantOf, quantizedOperand } from "./quantized.ts";

/** A constant operand of a layer: what a method may change. */
export interface Operand {
  /** Its place among the node's inputs. */
  at: number;
  dims: readonly number[];
  /** The DequantizeLinear that makes a real number of it, or null where it is stored as one. */
  dequantize: Node | null;
}

/**
 * An operator with constants that can be adapted: a weight and a bias, or only one of them (the constant of an Add is a bias, the
 * factor of a normalization a weight). Names as in the prepared graph.
 */
export interface Layer {
  name: string;
  node: Node;
  weight: Operand | null;
  bias: Operand | null;
  /** The DequantizeLinear before its input, the QuantizeLinear behind its output; null where these are real numbers. */
  input: Node | null;
  output: Node | null;
  outChannels: number;
  /** Of its output, [N, …]. */
  shape: readonly Dim[];
  /** Which axis of the weight, and which of the output, counts the output channels; the output's from the end where negative. */
  weightAxis: number;
  outputAxis: number;
  /** Whether ONNX Runtime's integer kernels run it, on integers throughout. */
  integer: boolean;
  /** How fast its weights should move beside a usual layer's, at most 1. */
  pace: number;
}

export type OperandKind = "weight" | "bias";

/** How an operator takes its constants. */
interface Form {
  /** Places of weight and bias among the operands. */
  weight?: (node: Node) => number | null;
  bias?: (node: Node, constants: Constants, channels: Dim) => number | null;
  weightAxis?(node: Node): number;
  outputAxis: number;
  /** Whether integer kernels do this operator when its output is quantized, or also when it is not. */
  integer: "quantized output" | "any output" | "never";
  applies?(node: Node): boolean;
}

const norm: Form = { weight: () => 1, bias: () => 2, outputAxis: 1, integer: "never" };

const FORMS: Readonly<Record<string, Form>> = {
  Conv: { weight: () => 1, bias: () => 2, outputAxis: 1, integer: "quantized output" },
  Gemm: {
    weight: () => 1,
    bias: () => 2,
    weightAxis: (node) => (attribute(node, "transB", "int", 0) === 0 ? 1 : 0),
    outputAxis: 1,
    integer: "any output",
    applies: isPlainGemm,
  },
  MatMul: { weight: () => 1, weightAxis: () => 1, outputAxis: -1, integer: "any output" },
  Add: {
    bias: (node, constants, channels) =>
      [0, 1].find((at) => isBias(constants.real(node.inputs[at]!), channels)) ?? null,
    outputAxis: -1,
    integer: "never",
  },
  BatchNormalization: norm,
  InstanceNormalization: norm,
  LayerNormalization: { ...norm, outputAxis: -1 },
};

/** x·W + b, as it stands: the form that integer kernels know. */
export function isPlainGemm(node: Node): boolean {
  const [transA, alpha, beta] = [
    attribute(node, "transA", "int", 0),
    ...["alpha", "beta"].map((name) => attribute(node, name, "float", 1)),
  ];
  return transA === 0 && alpha === 1 && beta === 1;
}

/** One number for many channels, such as the ε under a root or the 3 of a hard swish, belongs to a formula: nobody has trained it. */
const isBias = (constant: Tensor | null, channels: Dim): boolean =>
  constant !== null && (constant.data.length > 1 || (channels === 1 && constant.dims.length > 0));

/** Operators with a matrix or kernel between two sets of channels, as against factors and sums of single channels. */
export const isWeighted = ({ node }: Layer): boolean => WEIGHTED.has(node.opType);
const WEIGHTED = new Set(["Conv", "Gemm", "MatMul"]);

/** Whether it gives one number per channel and sample: what a classifier ends with. */
export const isLinear = (layer: Layer): boolean =>
  // Not a number, where a size is open.
  isWeighted(layer) && elementCount(layer.shape.slice(1) as number[]) === layer.outChannels;

/** All layers of a prepared graph, in topological order. */
export function findLayers(graph: Graph, types: ValueTypes): Layer[] {
  const constants = constantsOf(graph);
  const users = usersOf(graph);
  return graph.nodes.flatMap((node) => {
    const form = node.domain === "" && Object.hasOwn(FORMS, node.opType) ? FORMS[node.opType]! : undefined;
    if (!form || form.applies?.(node) === false) return [];
    const weight = operandAt(node, constants, form.weight?.(node) ?? null);
    const channels = types.get(node.outputs[0]!)!.shape.at(form.outputAxis) ?? 1;
    const bias = operandAt(node, constants, form.bias?.(node, constants, channels) ?? null);
    // A weighted operator between two computed values (attention) has nothing to adapt.
    if (form.weight && !weight) return [];
    if ((!weight && !bias) || (weight && node.opType === "MatMul" && weight.dims.length !== 2)) return [];
    const weightAxis = form.weightAxis?.(node) ?? 0;
    const input = constants.dequantizer(node.inputs[0]!);
    const after = users.get(node.outputs[0]!) ?? [];
    const isResult = graph.outputs.some(({ name }) => name === node.outputs[0]);
    const output = after.length === 1 && !isResult && after[0]!.opType === "QuantizeLinear" ? after[0]! : null;
    const layer = {
      name: node.name,
      node,
      weight,
      bias,
      input: input && !graph.initializers.has(input.inputs[0]!) ? input : null,
      output,
      outChannels: weight ? weight.dims[weightAxis]! : bias!.dims.reduce((product, dim) => product * dim, 1),
      shape: types.get(node.outputs[0]!)!.shape,
      weightAxis,
      outputAxis: form.outputAxis,
      pace: weight && WEIGHTED.has(node.opType) ? paceOf(graph, weight, weightAxis, node.inputs[weight.at]!) : 1,
    };
    return [{ ...layer, integer: runsInIntegers(graph, layer, form) }];
  });
}

/** What ONNX Runtime's fusion asks for: all operands quantized, and the bias at exactly float32(x scale · weight scale). */
function runsInIntegers(graph: Graph, layer: Omit<Layer, "integer">, form: Form): boolean {
  const { input, weight, bias, output } = layer;
  if (form.integer === "never" || (form.integer === "quantized output" && !output)) return false;
  if (!input || !weight?.dequantize || (form.bias && !bias?.dequantize)) return false;
  // Kernels know bytes: what is quantized to 16 bits is computed as real numbers.
  if (![input, ...(output ? [output] : [])].every((node) => BYTES.has(zeroPointType(graph, node)))) return false;
  const scaleOf = (node: Node) => constantOf(graph, quantizedOperand(node).scale);
  const xScale = scaleOf(input);
  if (xScale.data.length !== 1) return false;
  if (!bias?.dequantize) return true;
  const [wScale, bScale] = [scaleOf(weight.dequantize), scaleOf(bias.dequantize)];
  return Array.from(
    bScale.data as Float32Array,
    (scale, at) => scale === Math.fround((xScale.data[0] as number) * ((wScale.data[at] ?? wScale.data[0]) as number)),
  ).every(Boolean);
}

const BYTES: ReadonlySet<string> = new Set(["int8", "uint8"]);

const zeroPointType = (graph: Graph, { inputs }: Node): string => constantOf(graph, inputs[2]!).type;

interface Constants {
  /** The DequantizeLinear that writes the value, if one does. */
  dequantizer(value: ValueName): Node | null;
  /** The constant behind a value, dequantized or not, where it stands for real numbers. */
  real(value: ValueName): Tensor | null;
}

function constantsOf(graph: Graph): Constants {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const dequantizer = (value: ValueName) => {
    const producer = producers.get(value);
    return producer?.opType === "DequantizeLinear" ? producer : null;
  };
  return {
    dequantizer,
    real(value) {
      const direct = graph.initializers.get(value);
      if (direct) return direct.type === "float32" ? direct : null;
      const through = dequantizer(value);
      return (through && graph.initializers.get(through.inputs[0]!)) ?? null;
    },
  };
}

function operandAt(node: Node, constants: Constants, at: number | null): Operand | null {
  const value = at === null ? undefined : node.inputs[at];
  const constant = value ? constants.real(value) : null;
  return constant && { at: at!, dims: constant.dims, dequantize: constants.dequantizer(value!) };
}

function usersOf(graph: Graph): Map<ValueName, Node[]> {
  const users = new Map<ValueName, Node[]>();
  for (const node of graph.nodes)
    for (const input of node.inputs) users.set(input, [...(users.get(input) ?? []), node]);
  return users;
}
