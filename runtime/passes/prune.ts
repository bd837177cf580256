import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { operands } from "../onnx/topological.ts";

/** Drops what no output depends on: nodes, constants; inputs stay, they are the graph's contract. */
export function prune(graph: Graph): Graph {
  const needed = new Set<ValueName>(graph.outputs.map((output) => output.name));
  const nodes: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    for (const name of operands(node)) needed.add(name);
    nodes.push(node);
  }
  return {
    ...graph,
    nodes: nodes.reverse(),
    initializers: new Map([...graph.initializers].filter(([name]) => needed.has(name))),
  };
}
