import type { Attribute, Node } from "../onnx/graph.ts";

export const int = (value: number): Attribute => ({ kind: "int", value });
export const float = (value: number): Attribute => ({ kind: "float", value });
export const text = (value: string): Attribute => ({ kind: "string", value });
export const ints = (value: readonly number[]): Attribute => ({ kind: "ints", value });

export type Attributes = Node["attributes"];

/** A node's attributes but some. */
export const without = (node: Node, ...names: string[]): Attributes =>
  Object.fromEntries(Object.entries(node.attributes).filter(([name]) => !names.includes(name)));

/** A node's attributes, of these names alone. */
export const only = (node: Node, ...names: string[]): Attributes =>
  Object.fromEntries(Object.entries(node.attributes).filter(([name]) => names.includes(name)));
