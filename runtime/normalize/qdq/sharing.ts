import type { Graph, Node } from "../../onnx/graph.ts";
import { isDequantize, linksOf, uniqueNames } from "./links.ts";

/** A DequantizeLinear of its own for every operand that reads one; the first reader, and readers in subgraphs, keep the one there is. */
export function ownDequantizers(graph: Graph): Graph {
  const links = linksOf(graph);
  const unique = uniqueNames(graph);
  const seen = new Set(graph.outputs.map(({ name }) => name));
  const copies = new Map<Node, Node[]>();
  const nodes = graph.nodes.map((node) => {
    const inputs = node.inputs.map((name) => {
      const dequantize = links.producer(name);
      if (!isDequantize(dequantize)) return name;
      if (!seen.has(name)) {
        seen.add(name);
        return name;
      }
      const copy = unique(name);
      const known = copies.get(dequantize) ?? [];
      copies.set(dequantize, [...known, { ...dequantize, name: unique(dequantize.name), outputs: [copy] }]);
      return copy;
    });
    return { node, rewritten: inputs.some((name, at) => name !== node.inputs[at]) ? { ...node, inputs } : node };
  });
  return { ...graph, nodes: nodes.flatMap(({ node, rewritten }) => [rewritten, ...(copies.get(node) ?? [])]) };
}
