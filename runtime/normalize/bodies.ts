import type { Attribute, Graph, Node } from "../onnx/graph.ts";

/** A node with a pass put through its subgraphs: the branches of an If, the body of a Loop. */
export function mapBodies(node: Node, pass: (body: Graph) => Graph): Node {
  const entries = Object.entries(node.attributes);
  if (!entries.some(([, { kind }]) => kind === "graph")) return node;
  const attributes = entries.map(([name, attribute]): [string, Attribute] => [
    name,
    attribute.kind === "graph" ? { kind: "graph", value: pass(attribute.value) } : attribute,
  ]);
  return { ...node, attributes: Object.fromEntries(attributes) };
}
