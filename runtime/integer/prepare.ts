import { attribute } from "../onnx/attributes.ts";
import type { Graph, Node } from "../onnx/graph.ts";
import { float32, zeros } from "../onnx/tensor.ts";

/**
 * A normalized graph in which every convolution and Gemm has a bias, one number per output channel, for methods to move. Quantized ones
 * have theirs from `normalize/qdq`; what is added here is of real numbers. The numbers that it computes stay the same.
 */
export const prepareGraph = (graph: Graph): Graph => biasPerChannel(addBiases(graph));

/** Zeros where a model has no bias. */
function addBiases(graph: Graph): Graph {
  const dequantized = new Map(
    graph.nodes.flatMap(({ opType, inputs, outputs }) =>
      opType === "DequantizeLinear" ? [[outputs[0]!, inputs[0]!] as const] : [],
    ),
  );
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((node): Node => {
    if ((node.opType !== "Conv" && node.opType !== "Gemm") || node.domain !== "" || node.inputs[2]) return node;
    const [x, value] = node.inputs as [string, string];
    const weight = initializers.get(dequantized.get(value) ?? value);
    if (!weight) return node;
    const name = `${node.name}_bias`;
    initializers.set(name, zeros("float32", weight.dims[channelAxis(node)]!));
    return { ...node, inputs: [x, value, name] };
  });
  return { ...graph, nodes, initializers };
}

/** Which axis of its weight counts the output channels. */
const channelAxis = (node: Node): number =>
  node.opType === "Gemm" && attribute(node, "transB", "int", 0) === 0 ? 1 : 0;

/** The constant of a Gemm that broadcasts, [1], [1, O] or no dims at all, as one number per output channel. */
function biasPerChannel(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((node): Node => {
    if (node.opType !== "Gemm" || node.domain !== "") return node;
    const [, weight, bias] = node.inputs.map((name) => initializers.get(name));
    if (bias?.type !== "float32" || !weight) return node;
    const channels = weight.dims[channelAxis(node)]!;
    const count = bias.data.length;
    if (bias.dims.length === 1 && count === channels) return node;
    if (count !== 1 && (count !== channels || bias.dims.at(-1) !== channels)) return node; // another for each row
    const name = `${node.name}_bias_per_channel`;
    initializers.set(
      name,
      count === 1
        ? float32([channels], new Float32Array(channels).fill(bias.data[0] as number))
        : { ...bias, dims: [channels] },
    );
    return { ...node, inputs: node.inputs.with(2, name) };
  });
  return { ...graph, nodes, initializers };
}
