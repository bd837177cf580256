import { LichenError } from "../errors.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { operands } from "../onnx/topological.ts";
import { inferTypes, type ValueTypes } from "../shapes/infer.ts";
import type { ValueType } from "../shapes/rules.ts";

/**
 * Types of all values that can be inferred, where `inferTypes` would give up at the first that cannot.
 * @param given types that are known already, and stay
 * @param isUnderstood whether the shape rules mean what this node's opset means
 */
export function inferKnownTypes(
  graph: Graph,
  given: ValueTypes = new Map(),
  isUnderstood: (node: Node) => boolean = () => true,
): ValueTypes {
  const types = new Map<ValueName, ValueType>([...inferTypes({ ...graph, nodes: [] }), ...given]);
  for (const node of graph.nodes) {
    if (node.outputs.every((output) => types.has(output)) || !isUnderstood(node)) continue;
    const known = new Map(
      operands(node).flatMap((name) => (types.has(name) ? [[name, types.get(name)!] as const] : [])),
    );
    try {
      const found = inferTypes({ ...graph, inputs: [], initializers: new Map(), nodes: [node] }, known);
      for (const output of node.outputs) if (found.has(output)) types.set(output, found.get(output)!);
    } catch (error) {
      // Its outputs, and what only follows from them, stay unknown.
      if (!(error instanceof LichenError)) throw error;
    }
  }
  return types;
}
