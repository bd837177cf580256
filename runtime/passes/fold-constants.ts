import { openSession } from "../execute/session.ts";
import { asModel } from "../onnx/builder.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { operands } from "../onnx/topological.ts";
import { prune } from "./prune.ts";

/**
 * Computes once, in ONNX Runtime, what depends on constants alone, so that a frozen weight's flipped copy or a folded scale is a
 * constant of the derived graph, which kernels can pack ahead of time.
 * @param stays whether a node is left as it is
 */
export async function foldConstants(graph: Graph, stays: (node: Node) => boolean = () => false): Promise<Graph> {
  const constant = new Set<ValueName>(graph.initializers.keys());
  const foldable: Node[] = [];
  const rest: Node[] = [];
  for (const node of graph.nodes) {
    const folds = !stays(node) && operands(node).length > 0 && operands(node).every((name) => constant.has(name));
    (folds ? foldable : rest).push(node);
    if (folds) for (const output of node.outputs) constant.add(output);
  }
  const read = new Set([...rest.flatMap(operands), ...graph.outputs.map((output) => output.name)]);
  const wanted = foldable.flatMap((node) => node.outputs).filter((name) => read.has(name));
  if (wanted.length === 0) return graph;

  const session = await openSession(
    asModel(
      prune({
        name: "constants",
        inputs: [],
        outputs: wanted.map((name) => ({ name })),
        nodes: foldable,
        initializers: graph.initializers,
      }),
    ),
  );
  try {
    const values = await session.run({});
    return prune({ ...graph, nodes: rest, initializers: new Map([...graph.initializers, ...Object.entries(values)]) });
  } finally {
    await session.close();
  }
}
