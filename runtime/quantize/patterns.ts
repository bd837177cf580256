import { namePattern } from "../name-pattern.ts";
import type { Node } from "../onnx/graph.ts";

/** Whether a node's name is one of the patterns, in which «*» stands for anything. */
export function matcher(patterns: readonly string[]): (node: Pick<Node, "name">) => boolean {
  const names = patterns.map(namePattern);
  return ({ name }) => names.some((fits) => fits(name));
}
