import type { Node } from "../onnx/graph.ts";

/** Whether a node's name is one of the patterns, in which «*» stands for anything. */
export function matcher(patterns: readonly string[]): (node: Pick<Node, "name">) => boolean {
  const expressions = patterns.map((pattern) => new RegExp(`^${pattern.split("*").map(escaped).join(".*")}$`));
  return ({ name }) => expressions.some((expression) => expression.test(name));
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
