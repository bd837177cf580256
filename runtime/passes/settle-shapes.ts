import type { Dim, Graph, Node, ValueName } from "../onnx/graph.ts";
import { ELEMENTS, type ElementArray, int64, type Tensor } from "../onnx/tensor.ts";
import type { ValueTypes } from "../shapes/infer.ts";
import type { ValueType } from "../shapes/rule.ts";
import { prune } from "./prune.ts";

/**
 * What exporters compute of shapes, as constants: values whose elements are known before anything runs, and targets of a Reshape in which
 * only the batch is open, as −1. A graph can then be cut anywhere: no value behind the cut asks for the shape of one before it.
 */
export function settleShapes(graph: Graph, types: ValueTypes): Graph {
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const known = node.outputs.length === 1 ? knownTensor(types.get(node.outputs[0]!)!) : null;
    if (known) {
      initializers.set(node.outputs[0]!, known);
      return [];
    }
    const target =
      node.opType === "Reshape" && node.domain === "" ? targetOf(types.get(node.outputs[0]!)!.shape) : null;
    if (!target || initializers.has(node.inputs[1]!)) return [node];
    const name = `${node.name}_target`;
    initializers.set(name, int64(target));
    return [{ ...node, inputs: node.inputs.with(1, name) as ValueName[] }];
  });
  return initializers.size === graph.initializers.size ? graph : prune({ ...graph, nodes, initializers });
}

function knownTensor({ type, shape, known }: ValueType): Tensor | null {
  if (!known?.every((element) => typeof element === "number" && Number.isSafeInteger(element))) return null;
  const elements = known as readonly number[];
  if (type === "int64") return { type, dims: shape as number[], data: BigInt64Array.from(elements, BigInt) };
  if (type !== "int32" && type !== "bool") return null;
  return { type, dims: shape as number[], data: ELEMENTS[type].from(elements) as ElementArray };
}

function targetOf(shape: readonly Dim[]): number[] | null {
  const open = shape.filter((dim) => typeof dim !== "number");
  return open.length > 1 ? null : shape.map((dim) => (typeof dim === "number" ? dim : -1));
}
