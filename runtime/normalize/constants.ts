import type { Attribute, Graph, Node, ValueName } from "../onnx/graph.ts";
import { float32, int64, type Tensor, tensor } from "../onnx/tensor.ts";
import { mapBodies } from "./bodies.ts";

/** `Constant` nodes as initializers, and no more `Identity`: what follows then sees a constant wherever there is one. */
export const settleConstants = (graph: Graph): Graph => withoutIdentities(liftConstants(graph), new Map());

function liftConstants(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const value = node.opType === "Constant" && node.domain === "" ? constantValue(node) : undefined;
    if (!value) return [mapBodies(node, liftConstants)];
    initializers.set(node.outputs[0]!, value);
    return [];
  });
  return { ...graph, nodes, initializers };
}

/** Strings and sparse tensors stay behind as nodes, for whoever needs them to refuse. @see ONNX Constant-12 */
function constantValue({ attributes }: Node): Tensor | undefined {
  const [name, attribute] = Object.entries(attributes)[0] ?? [];
  return name && attribute ? CONSTANTS[name]?.(attribute) : undefined;
}

const CONSTANTS: Readonly<Record<string, (attribute: Attribute) => Tensor>> = {
  value: ({ value }) => value as Tensor,
  value_float: ({ value }) => float32([], [value as number]),
  value_floats: ({ value }) => float32([(value as number[]).length], value as number[]),
  value_int: ({ value }) => tensor("int64", [], BigInt64Array.of(BigInt(value as number))),
  value_ints: ({ value }) => int64(value as number[]),
};

/** Only an Identity that writes a graph's output stays: the name is the graph's contract. */
function withoutIdentities(graph: Graph, outer: ReadonlyMap<ValueName, ValueName>): Graph {
  const results = new Set(graph.outputs.map(({ name }) => name));
  const origin = new Map(outer);
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const renamed: Node = {
      ...mapBodies(node, (body) => withoutIdentities(body, origin)),
      inputs: node.inputs.map((name) => origin.get(name) ?? name),
    };
    if (node.opType !== "Identity" || node.domain !== "") return [renamed];
    const [from, to] = [renamed.inputs[0]!, node.outputs[0]!];
    if (!results.has(to)) {
      origin.set(to, from);
      return [];
    }
    const constant = initializers.get(from);
    if (!constant) return [renamed];
    initializers.set(to, constant);
    return [];
  });
  return { ...graph, nodes, initializers };
}
