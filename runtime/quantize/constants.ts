import { uniqueNames } from "../normalize/qdq/links.ts";
import type { Graph, ValueName } from "../onnx/graph.ts";
import type { Tensor } from "../onnx/tensor.ts";

/** The constants of a graph, and a way to add more, each under a name that nothing has yet. */
export function growingConstants(graph: Graph): {
  initializers: Map<ValueName, Tensor>;
  constant: (name: string, value: Tensor) => ValueName;
} {
  const unique = uniqueNames(graph);
  const initializers = new Map(graph.initializers);
  const constant = (name: string, value: Tensor): ValueName => {
    const fresh = unique(name);
    initializers.set(fresh, value);
    return fresh;
  };
  return { initializers, constant };
}
