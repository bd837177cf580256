import { LichenError } from "../errors.ts";
import { attribute } from "../onnx/attributes.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { int32, type Tensor, tensor } from "../onnx/tensor.ts";

/** The operands of a DequantizeLinear: real = (quantized − zeroPoint) · scale. */
export interface Quantized {
  quantized: ValueName;
  scale: ValueName;
  zeroPoint: ValueName;
}

/**
 * A weighted operator of a QDQ graph with all that integer execution needs to know. `input`, `weight` and `bias` are the
 * DequantizeLinear nodes in front of it; `output` is the QuantizeLinear behind it, or null where it ends in float.
 */
export interface Layer {
  name: string;
  node: Node;
  input: Node;
  weight: Node;
  bias: Node;
  output: Node | null;
  outChannels: number;
  /** Which axis of the weight counts the output channels. */
  weightAxis: number;
}

export const quantizedOperand = (dequantize: Node): Quantized => {
  const [quantized, scale, zeroPoint] = dequantize.inputs as [ValueName, ValueName, ValueName];
  return { quantized, scale, zeroPoint };
};

/** All layers of a prepared graph, in topological order. */
export function findLayers(graph: Graph): Layer[] {
  const producers = producersOf(graph);
  const users = usersOf(graph);
  return graph.nodes.flatMap((node) => {
    if (!isWeighted(node)) return [];
    const [input, weight, bias] = node.inputs.map((name) => dequantizer(producers.get(name)));
    const w = weight && graph.initializers.get(weight.inputs[0]!);
    if (!input || !weight || !bias || !w) return [];
    const after = users.get(node.outputs[0]!) ?? [];
    const output = after.length === 1 && after[0]!.opType === "QuantizeLinear" ? after[0]! : null;
    const weightAxis = node.opType === "Gemm" && attribute(node, "transB", "int", 0) === 0 ? 1 : 0;
    return [{ name: node.name, node, input, weight, bias, output, outChannels: w.dims[weightAxis]!, weightAxis }];
  });
}

/**
 * The graph in the one form that the rest of the engine reads: every weighted operator has a bias, and every quantizer its
 * zero point. The numbers it computes stay the same.
 */
export function prepareGraph(graph: Graph): Graph {
  return addBiases(addZeroPoints(graph));
}

/** The constant of a graph. @throws NOT_QUANTIZED when the value is computed. */
export function constantOf(graph: Graph, name: ValueName): Tensor {
  const value = graph.initializers.get(name);
  if (!value)
    throw new LichenError("NOT_QUANTIZED", { at: `value ${name}`, found: "a computed value", wanted: "a constant" });
  return value;
}

/** Int32 biases at scale x·w, the only form that integer kernels add; zeros where the model has none. */
function addBiases(graph: Graph): Graph {
  const producers = producersOf(graph);
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.flatMap((node) => {
    const [input, weight] = node.inputs.map((name) => dequantizer(producers.get(name)));
    if (!isWeighted(node) || node.inputs[2] || !input || !weight) return [node];
    const xScale = constantOf(graph, input.inputs[1]!).data[0] as number;
    const wScale = constantOf(graph, weight.inputs[1]!);
    const w = constantOf(graph, weight.inputs[0]!);
    const channels = w.dims[node.opType === "Gemm" && attribute(node, "transB", "int", 0) === 0 ? 1 : 0]!;
    const scales = Float32Array.from({ length: wScale.data.length }, (_, c) => xScale * (wScale.data[c] as number));
    const name = `${node.name}_bias`;
    initializers.set(`${name}_quantized`, int32([channels], new Int32Array(channels)));
    initializers.set(`${name}_scale`, tensor("float32", wScale.dims, scales));
    initializers.set(`${name}_zero_point`, int32(wScale.dims, new Int32Array(scales.length)));
    const dequantize: Node = {
      name: `${name}_dequantize`,
      opType: "DequantizeLinear",
      domain: "",
      inputs: [`${name}_quantized`, `${name}_scale`, `${name}_zero_point`],
      outputs: [name],
      attributes: { axis: { kind: "int", value: 0 } },
    };
    return [dequantize, { ...node, inputs: [node.inputs[0]!, node.inputs[1]!, name] }];
  });
  return { ...graph, nodes, initializers };
}

/** An absent zero point is zero, of the quantized type (uint8 where nothing says otherwise). @see ONNX QuantizeLinear-13 */
function addZeroPoints(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((node): Node => {
    if ((node.opType !== "QuantizeLinear" && node.opType !== "DequantizeLinear") || node.inputs[2]) return node;
    const scale = constantOf(graph, node.inputs[1]!);
    const type = node.opType === "DequantizeLinear" ? (initializers.get(node.inputs[0]!)?.type ?? "uint8") : "uint8";
    const zeros =
      type === "int32"
        ? new Int32Array(scale.data.length)
        : type === "int8"
          ? new Int8Array(scale.data.length)
          : new Uint8Array(scale.data.length);
    initializers.set(`${node.name}_zero_point`, { type, dims: scale.dims, data: zeros });
    return { ...node, inputs: [node.inputs[0]!, node.inputs[1]!, `${node.name}_zero_point`] };
  });
  return { ...graph, nodes, initializers };
}

const isWeighted = (node: Node): boolean =>
  node.domain === "" &&
  (node.opType === "Conv" ||
    (node.opType === "Gemm" &&
      attribute(node, "transA", "int", 0) === 0 &&
      attribute(node, "alpha", "float", 1) === 1 &&
      attribute(node, "beta", "float", 1) === 1));

const dequantizer = (node: Node | undefined): Node | undefined =>
  node?.opType === "DequantizeLinear" ? node : undefined;

const producersOf = (graph: Graph): Map<ValueName, Node> =>
  new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));

function usersOf(graph: Graph): Map<ValueName, Node[]> {
  const users = new Map<ValueName, Node[]>();
  for (const node of graph.nodes)
    for (const input of node.inputs) users.set(input, [...(users.get(input) ?? []), node]);
  return users;
}
