import { attribute } from "../../onnx/attributes.ts";
import type { Graph, Node, ValueName } from "../../onnx/graph.ts";
import { float32, int32, type Tensor } from "../../onnx/tensor.ts";
import { int } from "../attributes.ts";
import { roundToEven } from "./codes.ts";
import { isDequantize, linksOf, uniqueNames } from "./links.ts";
import { type QuantizedTensor, uniformWeight } from "./weights.ts";

/** The layers that integer kernels run: where the output channels are in the weight, and whether a bias is an operand. */
const LAYERS: Readonly<
  Record<string, { axis: (node: Node) => number; rank?: number; biased: (node: Node) => boolean }>
> = {
  Conv: { axis: () => 0, biased: () => true },
  Gemm: {
    axis: (node) => (attribute(node, "transB", "int", 0) === 0 ? 1 : 0),
    biased: (node) =>
      attribute(node, "transA", "int", 0) === 0 &&
      attribute(node, "alpha", "float", 1) === 1 &&
      attribute(node, "beta", "float", 1) === 1,
  },
  MatMul: { axis: () => 1, rank: 2, biased: () => false },
};

/** Weights and biases of quantized layers in the one form of `index.ts`, each in constants of its own. */
export function uniformLayers(graph: Graph): Graph {
  const links = linksOf(graph);
  const unique = uniqueNames(graph);
  const initializers = new Map(graph.initializers);
  /** New operands of DequantizeLinear nodes that are there. */
  const rewritten = new Map<Node, Node>();
  const dequantizer = (name: ValueName | undefined) => {
    const producer = links.producer(name ?? "");
    return isDequantize(producer) ? producer : undefined;
  };
  const shared = (name: ValueName) => links.users(name).length > 1;
  const add = (name: string, value: Tensor): ValueName => {
    const fresh = unique(name);
    initializers.set(fresh, value);
    return fresh;
  };
  const addOperands = (name: string, { codes, scale, zeroPoint }: QuantizedTensor): ValueName[] => [
    add(`${name}_quantized`, codes),
    add(`${name}_scale`, scale),
    add(`${name}_zero_point`, zeroPoint),
  ];

  const nodes = graph.nodes.map((node): Node[] => {
    const layer = node.domain === "" && Object.hasOwn(LAYERS, node.opType) ? LAYERS[node.opType]! : undefined;
    const dequantize = layer && dequantizer(node.inputs[1]);
    const found = dequantize && quantizedTensor(dequantize, initializers);
    if (!layer || !dequantize || !found || (layer.rank ?? found.codes.dims.length) !== found.codes.dims.length)
      return [node];
    const axis = layer.axis(node);
    const weight = uniformWeight(found, axis, attribute(dequantize, "axis", "int", 1));
    if (!weight) return [node];
    if (weight !== found || shared(dequantize.inputs[0]!) || shared(dequantize.inputs[1]!)) {
      const inputs = addOperands(`${node.name}_weight`, weight);
      rewritten.set(dequantize, { ...dequantize, inputs, attributes: { axis: int(axis) } });
    }

    const xScale = initializers.get(dequantizer(node.inputs[0])?.inputs[1] ?? "");
    if (!layer.biased(node) || xScale?.data.length !== 1) return [node];
    const scale = productScale(xScale.data[0] as number, weight.scale);
    const given = node.inputs[2] ?? "";
    const through = dequantizer(given);
    const stored = through && quantizedTensor(through, initializers);
    if (stored && isAt(scale, stored) && ![0, 1].some((at) => shared(through.inputs[at]!))) return [node];
    const real =
      given === ""
        ? new Float64Array(scale.data.length)
        : realNumbers(stored ?? initializers.get(given), scale.data.length);
    const bias = real && quantizedBias(real, scale);
    if (!bias) return [node];
    const name = unique(`${node.name}_bias`);
    const behind: Node = {
      name,
      opType: "DequantizeLinear",
      domain: "",
      inputs: addOperands(name, bias),
      outputs: [name],
      attributes: { axis: int(0) },
    };
    return [behind, { ...node, inputs: [node.inputs[0]!, node.inputs[1]!, name] }];
  });
  return { ...graph, nodes: nodes.flat().map((node) => rewritten.get(node) ?? node), initializers };
}

function quantizedTensor({ inputs }: Node, initializers: ReadonlyMap<ValueName, Tensor>): QuantizedTensor | undefined {
  const [codes, scale, zeroPoint] = inputs.map((name) => initializers.get(name));
  return codes && scale?.type === "float32" && zeroPoint ? { codes, scale, zeroPoint } : undefined;
}

/** Exactly the float32 that ONNX Runtime compares with. */
const productScale = (xScale: number, wScale: Tensor): Tensor =>
  float32(
    wScale.dims,
    Array.from(wScale.data as Float32Array, (scale) => Math.fround(xScale * scale)),
  );

const isAt = (scale: Tensor, { codes, scale: found, zeroPoint }: QuantizedTensor): boolean =>
  codes.type === "int32" &&
  codes.dims.length === 1 &&
  found.dims.length === 1 &&
  found.data.length === scale.data.length &&
  zeroPoint.data.every((value: number | bigint) => value === 0) &&
  found.data.every((value: number | bigint, channel: number) => value === scale.data[channel]);

/** A bias as one number per channel, in float64, or `undefined` where it is none (as a Gemm's full matrix). */
function realNumbers(value: QuantizedTensor | Tensor | undefined, channels: number): Float64Array | undefined {
  if (!value) return undefined;
  const codes = "codes" in value ? value.codes : value;
  if (codes.data.length !== 1 && (codes.data.length !== channels || codes.dims.at(-1) !== channels)) return undefined;
  return Float64Array.from({ length: channels }, (_, channel) => {
    const pick = ({ data }: Tensor) => Number(data.length === 1 ? data[0] : data[channel]);
    return "codes" in value ? (pick(value.codes) - pick(value.zeroPoint)) * pick(value.scale) : pick(value);
  });
}

/** @returns undefined where a bias is too large for int32 at its scale; that layer stays in float. */
function quantizedBias(real: Float64Array, scale: Tensor): QuantizedTensor | undefined {
  const codes = real.map((value, channel) => (value === 0 ? 0 : roundToEven(value / (scale.data[channel] as number))));
  if (!codes.every((code) => Math.abs(code) < 2 ** 31)) return undefined;
  return {
    codes: int32([codes.length], codes),
    scale,
    zeroPoint: int32([codes.length], new Int32Array(codes.length)),
  };
}
