import type { Graph } from "../onnx/graph.ts";

/** A name that no value and no node of a graph has. */
export function freshName({ inputs, initializers, nodes }: Graph, wanted: string): string {
  const taken = new Set([
    ...inputs.map(({ name }) => name),
    ...initializers.keys(),
    ...nodes.flatMap(({ name, outputs }) => [name, ...outputs]),
  ]);
  let name = wanted;
  for (let suffix = 1; taken.has(name); suffix++) name = `${wanted}_${suffix}`;
  return name;
}
