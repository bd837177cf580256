import { attribute } from "../onnx/attributes.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { ELEMENTS, type ElementArray, type ElementType, float32, type Tensor, zeros } from "../onnx/tensor.ts";
import { constantOf, dequantizeNode, quantizedOperand } from "./quantized.ts";

/**
 * The graph in the one form that the rest of the engine reads: every quantizer has its zero point, every convolution and Gemm a bias,
 * and their quantized weights one scale per output channel. The numbers it computes stay the same.
 */
export const prepareGraph = (graph: Graph): Graph => biasPerChannel(addBiases(scalePerChannel(addZeroPoints(graph))));

/** An absent zero point is zero, of the quantized type (uint8 where nothing says otherwise). @see ONNX QuantizeLinear-13 */
function addZeroPoints(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((node): Node => {
    if ((node.opType !== "QuantizeLinear" && node.opType !== "DequantizeLinear") || node.inputs[2]) return node;
    const scale = constantOf(graph, node.inputs[1]!);
    const found = node.opType === "DequantizeLinear" ? initializers.get(node.inputs[0]!)?.type : undefined;
    const type = found === "int32" || found === "int8" ? found : "uint8";
    initializers.set(`${node.name}_zero_point`, { ...zeros(type, scale.data.length), dims: scale.dims });
    return { ...node, inputs: [node.inputs[0]!, node.inputs[1]!, `${node.name}_zero_point`] };
  });
  return { ...graph, nodes, initializers };
}

/** A scale that all channels share becomes as many equal ones, so that a method can change one channel's alone. */
function scalePerChannel(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const weights = new Map(
    graph.nodes.flatMap((node) => {
      const operand = WEIGHTED[node.opType]?.(node);
      return operand ? [[operand.value, operand.axis] as const] : [];
    }),
  );
  const nodes = graph.nodes.map((node): Node => {
    const axis = weights.get(node.outputs[0]!);
    const weight = initializers.get(node.inputs[0]!);
    if (node.opType !== "DequantizeLinear" || axis === undefined || !weight) return node;
    const [scale, zeroPoint] = [constantOf(graph, node.inputs[1]!), constantOf(graph, node.inputs[2]!)];
    if (scale.data.length !== 1 || weight.dims.length <= axis) return node;
    const channels = weight.dims[axis]!;
    const [scaleName, zeroPointName] = [`${node.name}_scales`, `${node.name}_zero_points`];
    initializers.set(scaleName, repeated(scale, channels));
    initializers.set(zeroPointName, repeated(zeroPoint, channels));
    return {
      ...node,
      inputs: [node.inputs[0]!, scaleName, zeroPointName],
      attributes: { axis: { kind: "int", value: axis } },
    };
  });
  return { ...graph, nodes, initializers };
}

const WEIGHTED: Readonly<Record<string, (node: Node) => { value: ValueName; axis: number }>> = {
  Conv: ({ inputs }) => ({ value: inputs[1]!, axis: 0 }),
  Gemm: (node) => ({ value: node.inputs[1]!, axis: attribute(node, "transB", "int", 0) === 0 ? 1 : 0 }),
  MatMul: ({ inputs }) => ({ value: inputs[1]!, axis: 1 }),
};

const repeated = ({ type, data }: Tensor, count: number): Tensor => ({
  type,
  dims: [count],
  data: new ELEMENTS[type as Exclude<ElementType, "int64" | "uint64">](count).fill(data[0] as number) as ElementArray,
});

/** Biases of zero where a model has none: int32 at scale x·w behind quantized operands, the only form that integer kernels add. */
function addBiases(graph: Graph): Graph {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const initializers = new Map(graph.initializers);
  const dequantizer = (value: ValueName) => {
    const producer = producers.get(value);
    return producer?.opType === "DequantizeLinear" ? quantizedOperand(producer) : undefined;
  };
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if ((node.opType !== "Conv" && node.opType !== "Gemm") || node.domain !== "" || node.inputs[2]) return [node];
    const { value, axis } = WEIGHTED[node.opType]!(node);
    const [x, w] = [dequantizer(node.inputs[0]!), dequantizer(value)];
    const weight = initializers.get(w?.quantized ?? value);
    if (!weight) return [node];
    const channels = weight.dims[axis]!;
    const name = `${node.name}_bias`;
    const withBias = { ...node, inputs: [node.inputs[0]!, value, name] };
    if (!x || !w) {
      initializers.set(name, zeros("float32", channels));
      return [withBias];
    }
    const xScale = constantOf(graph, x.scale).data[0] as number;
    const wScale = constantOf(graph, w.scale);
    const operands = { quantized: `${name}_quantized`, scale: `${name}_scale`, zeroPoint: `${name}_zero_point` };
    initializers.set(operands.quantized, zeros("int32", channels));
    const scales = Float32Array.from(wScale.data as Float32Array, (scale) => xScale * scale);
    initializers.set(operands.scale, float32(wScale.dims, scales));
    initializers.set(operands.zeroPoint, { ...zeros("int32", wScale.data.length), dims: wScale.dims });
    return [dequantizeNode(name, operands, 0), withBias];
  });
  return { ...graph, nodes, initializers };
}

/** The constant of a Gemm that broadcasts, [1], [1, O] or no dims at all, as one number per output channel. */
function biasPerChannel(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((node): Node => {
    if (node.opType !== "Gemm" || node.domain !== "") return node;
    const [, weight, bias] = node.inputs.map((name) => initializers.get(name));
    if (bias?.type !== "float32" || !weight) return node;
    const channels = weight.dims[WEIGHTED.Gemm!(node).axis]!;
    const count = bias.data.length;
    if (bias.dims.length === 1 && count === channels) return node;
    if (count !== 1 && (count !== channels || bias.dims.at(-1) !== channels)) return node; // another for each row
    const name = `${node.name}_bias_per_channel`;
    initializers.set(name, count === 1 ? repeated(bias, channels) : { ...bias, dims: [channels] });
    return { ...node, inputs: node.inputs.with(2, name) };
  });
  return { ...graph, nodes, initializers };
}
