import { LichenError } from "../errors.ts";
import type { Graph, ValueName } from "../onnx/graph.ts";
import { SHAPES, type ValueType } from "./rules.ts";

export type ValueTypes = ReadonlyMap<ValueName, ValueType>;

/** Element type and shape of every value of a graph. @throws UNSUPPORTED_OPERATOR, NO_SHAPE */
export function inferTypes(graph: Graph): ValueTypes {
  const types = new Map<ValueName, ValueType>();
  for (const { name, type, shape } of graph.inputs) types.set(name, { type, shape });
  for (const [name, { type, dims }] of graph.initializers) types.set(name, { type, shape: dims });
  for (const node of graph.nodes) {
    const rule = node.domain === "" ? SHAPES[node.opType] : undefined;
    if (!rule) {
      throw new LichenError("UNSUPPORTED_OPERATOR", {
        at: `node ${node.name}`,
        found: [node.domain, node.opType].filter(Boolean).join("."),
        wanted: Object.keys(SHAPES).join(", "),
      });
    }
    const inputs = node.inputs.filter((name) => name !== "").map((name) => types.get(name)!);
    types.set(node.outputs[0]!, rule({ node, inputs, constant: (name) => graph.initializers.get(name) }));
  }
  return types;
}
