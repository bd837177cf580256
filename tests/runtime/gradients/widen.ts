import { ELEMENT_CODES } from "../../../runtime/onnx/elements.ts";
import type { Attribute, Graph, Node } from "../../../runtime/onnx/graph.ts";
import { type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";

/** The same graph in float64, so that finite differences have digits to spare. */
export function widened(graph: Graph): Graph {
  // Resize takes its scales as float32, whatever it resizes.
  const narrow = new Set(graph.nodes.flatMap((node) => (node.opType === "Resize" ? node.inputs.slice(1) : [])));
  return {
    ...graph,
    inputs: graph.inputs.map((input) => (input.type === "float32" ? { ...input, type: "float64" } : input)),
    initializers: new Map(
      [...graph.initializers].map(([name, value]) => [name, narrow.has(name) ? value : widenedTensor(value)]),
    ),
    nodes: graph.nodes.map((node) => ({
      ...node,
      attributes: Object.fromEntries(
        Object.entries(node.attributes).map(([name, value]) => [name, widenedAttribute(node, name, value)]),
      ),
    })),
  };
}

export const widenedTensor = (value: Tensor): Tensor =>
  value.type === "float32" ? tensor("float64", value.dims, Float64Array.from(value.data as Float32Array)) : value;

function widenedAttribute(node: Node, name: string, value: Attribute): Attribute {
  if (value.kind === "tensor") return { kind: "tensor", value: widenedTensor(value.value) };
  const casts = node.opType === "Cast" && name === "to" && value.value === ELEMENT_CODES.float32;
  return casts ? { kind: "int", value: ELEMENT_CODES.float64 } : value;
}
