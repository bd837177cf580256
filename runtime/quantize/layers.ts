import { isPlainGemm } from "../integer/layers.ts";
import { attribute } from "../onnx/attributes.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { elementCount, float32, type Tensor } from "../onnx/tensor.ts";

/** What a weighted operator multiplies by and adds, in real numbers. */
export interface Parameters {
  /** [O, I/groups, k…] of a Conv, [O, I] or [I, O] of a Gemm, [I, O] of a MatMul */
  weight: Tensor<"float32">;
  /** One number per output channel; zeros where the operator has none. */
  bias: Float32Array;
  /** Which axis of the weight counts the output channels. */
  axis: number;
  /** 1, but for grouped and depthwise convolutions. */
  groups: number;
}

interface Form {
  axis(node: Node): number;
  applies?(node: Node, weight: Tensor): boolean;
  /** Whether the operator has a place for a bias. */
  biased: boolean;
}

const transB = (node: Node): boolean => attribute(node, "transB", "int", 0) !== 0;

/** ConvTranspose has no integer kernel in ONNX Runtime, and so no row. */
const FORMS: Readonly<Record<string, Form>> = {
  Conv: { axis: () => 0, biased: true },
  Gemm: {
    axis: (node) => (transB(node) ? 0 : 1),
    biased: true,
    applies: isPlainGemm,
  },
  MatMul: { axis: () => 1, biased: false, applies: (_, weight) => weight.dims.length === 2 },
};

/** @returns undefined for other operators, and where weight or bias are computed or of another shape */
export function parametersOf({ initializers }: Pick<Graph, "initializers">, node: Node): Parameters | undefined {
  const form = node.domain === "" && Object.hasOwn(FORMS, node.opType) ? FORMS[node.opType] : undefined;
  const weight = initializers.get(node.inputs[1] ?? "");
  if (!form || weight?.type !== "float32" || form.applies?.(node, weight) === false) return undefined;
  const axis = form.axis(node);
  const channels = weight.dims[axis]!;
  const bias = biasOf(initializers, form.biased ? (node.inputs[2] ?? "") : "", channels);
  const groups = node.opType === "Conv" ? attribute(node, "group", "int", 1) : 1;
  return bias && { weight: weight as Tensor<"float32">, bias, axis, groups };
}

/** One number per channel, also where one of them stands for all. */
function biasOf(initializers: Graph["initializers"], name: ValueName, channels: number): Float32Array | undefined {
  if (name === "") return new Float32Array(channels);
  const bias = initializers.get(name);
  if (bias?.type !== "float32") return undefined;
  if (bias.data.length === 1) return new Float32Array(channels).fill(bias.data[0] as number);
  const isRow = bias.data.length === channels && bias.dims.at(-1) === channels;
  return isRow ? (bias.data as Float32Array) : undefined;
}

/** Whether the operator adds a bias; a MatMul does not. */
export const takesBias = (node: Node): boolean => FORMS[node.opType]?.biased === true;

/** A node with other parameters, which it gets under names of its own: a weight may be shared. */
export function withParameters(
  node: Node,
  { weight, bias }: Pick<Parameters, "weight" | "bias">,
  constant: (name: string, value: Tensor) => ValueName,
): Node {
  const operands = [node.inputs[0]!, constant(`${node.name}_weight`, weight)];
  return {
    ...node,
    inputs: takesBias(node) ? [...operands, constant(`${node.name}_bias`, float32([bias.length], bias))] : operands,
  };
}

/** The output channel of each element of a weight. */
export function outputChannels({ weight, axis }: Pick<Parameters, "weight" | "axis">): (index: number) => number {
  const inner = elementCount(weight.dims.slice(axis + 1));
  const channels = weight.dims[axis]!;
  return (index) => Math.floor(index / inner) % channels;
}

/** The input channel of each element of a weight. Groups of a Conv take their input channels one after another. */
export function inputChannels({ weight, axis, groups }: Parameters): (index: number) => number {
  const { dims } = weight;
  const along = 1 - axis;
  const inner = elementCount(dims.slice(along + 1));
  const inGroup = (index: number) => Math.floor(index / inner) % dims[along]!;
  if (groups === 1) return inGroup;
  const [outputs, inputsOfGroup] = [dims[0]! / groups, dims[1]!];
  const row = elementCount(dims.slice(1));
  return (index) => Math.floor(Math.floor(index / row) / outputs) * inputsOfGroup + inGroup(index);
}

/** How many channels come in. */
export const inputCount = ({ weight, axis, groups }: Parameters): number => weight.dims[1 - axis]! * groups;

/** A weight with every element multiplied by a number of its channel. */
export function scaled(
  { weight }: Pick<Parameters, "weight">,
  channelOf: (index: number) => number,
  factor: ArrayLike<number>,
): Tensor<"float32"> {
  return float32(
    weight.dims,
    (weight.data as Float32Array).map((value, index) => value * factor[channelOf(index)]!),
  );
}

/** The largest absolute weight of each channel. */
export function channelRanges(
  { weight }: Pick<Parameters, "weight">,
  channelOf: (index: number) => number,
  channels: number,
): Float64Array {
  const largest = new Float64Array(channels);
  (weight.data as Float32Array).forEach((value, index) => {
    const channel = channelOf(index);
    largest[channel] = Math.max(largest[channel]!, Math.abs(value));
  });
  return largest;
}
