import type { Graph, Node, ValueName } from "../../onnx/graph.ts";
import { operands } from "../../onnx/topological.ts";

/** Who writes and who reads the values of a graph. */
export interface Links {
  producer(value: ValueName): Node | undefined;
  /** Readers, once for each place they read it at; those in subgraphs count as the node that holds them. */
  users(value: ValueName): readonly Node[];
  /** Whether a graph's output. */
  isResult(value: ValueName): boolean;
}

export function linksOf(graph: Graph): Links {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const users = new Map<ValueName, Node[]>();
  for (const node of graph.nodes) {
    for (const value of operands(node)) {
      const known = users.get(value);
      if (known) known.push(node);
      else users.set(value, [node]);
    }
  }
  const results = new Set(graph.outputs.map(({ name }) => name));
  return {
    producer: (value) => producers.get(value),
    users: (value) => users.get(value) ?? [],
    isResult: (value) => results.has(value),
  };
}

/** Makes names that the graph does not have yet. */
export function uniqueNames(graph: Graph): (wanted: string) => string {
  const taken = new Set([
    ...graph.inputs.map(({ name }) => name),
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap((node) => [node.name, ...node.outputs]),
  ]);
  return (wanted) => {
    let unique = wanted;
    for (let suffix = 1; taken.has(unique); suffix++) unique = `${wanted}_${suffix}`;
    taken.add(unique);
    return unique;
  };
}

/** One such name. */
export const freshName = (graph: Graph, wanted: string): string => uniqueNames(graph)(wanted);

export const isQuantize = (node: Node | undefined): node is Node & { opType: "QuantizeLinear" } =>
  node?.opType === "QuantizeLinear" && node.domain === "";

export const isDequantize = (node: Node | undefined): node is Node & { opType: "DequantizeLinear" } =>
  node?.opType === "DequantizeLinear" && node.domain === "";
