import { LichenError } from "../errors.ts";
import type { Attribute, Graph, Node, ValueName } from "./graph.ts";

/** Values that a node reads, those that its subgraphs capture from outside included. */
export function operands(node: Node): ValueName[] {
  const captured = Object.values(node.attributes)
    .filter((attribute): attribute is Attribute & { kind: "graph" } => attribute.kind === "graph")
    .flatMap((attribute) => freeValues(attribute.value));
  return [...node.inputs.filter((name) => name !== ""), ...captured];
}

function freeValues(graph: Graph): ValueName[] {
  const bound = new Set([
    ...graph.inputs.map((i) => i.name),
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap((n) => n.outputs),
  ]);
  const read = [...graph.nodes.flatMap(operands), ...graph.outputs.map((output) => output.name)];
  return read.filter((name) => !bound.has(name));
}

/**
 * Orders nodes so that each comes after those it reads from; ties keep their place, so that a sorted graph stays as it is.
 * @throws MODEL_CORRUPT on a cycle or when two nodes write one value.
 */
export function topological(nodes: readonly Node[], at: string): Node[] {
  const producer = new Map<ValueName, number>();
  nodes.forEach((node, index) => {
    for (const output of node.outputs) {
      if (output !== "" && producer.has(output)) {
        throw new LichenError("MODEL_CORRUPT", { at: `${at}: value ${output}`, found: "two nodes that write it" });
      }
      if (output !== "") producer.set(output, index);
    }
  });
  const reads = nodes.map(operands);
  const sorted: Node[] = [];
  const state: ("open" | "done" | undefined)[] = [];
  // An explicit stack: a network thousands of nodes deep must not overflow the call stack.
  for (const start of nodes.keys()) {
    const stack = [start];
    while (stack.length > 0) {
      const index = stack.at(-1)!;
      const node = nodes[index]!;
      const wasOpen = state[index] === "open";
      if (state[index] === undefined) state[index] = "open";
      const waiting =
        state[index] === "done"
          ? []
          : reads[index]!.flatMap((name) => producer.get(name) ?? []).filter((p) => state[p] !== "done");
      if (waiting.length === 0) {
        if (state[index] !== "done") sorted.push(node);
        state[index] = "done";
        stack.pop();
      } else if (wasOpen) {
        throw new LichenError("MODEL_CORRUPT", { at: `${at}: node ${node.name}`, found: "a cycle" });
      } else {
        for (const before of waiting.reverse()) stack.push(before);
      }
    }
  }
  return sorted;
}
