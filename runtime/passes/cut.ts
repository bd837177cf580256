import { LichenError } from "../errors.ts";
import type { Graph, ValueInfo, ValueName } from "../onnx/graph.ts";
import type { ValueTypes } from "../shapes/infer.ts";
import { prune } from "./prune.ts";

/**
 * The part of a graph that leads from some values to others, as a graph of its own.
 * @throws BAD_ARGUMENT when a value is unknown, or when `to` also depends on a graph input that is not among `from`.
 */
export function cut(graph: Graph, types: ValueTypes, from: readonly ValueName[], to: readonly ValueName[]): Graph {
  const info = (name: ValueName): ValueInfo => {
    const type = types.get(name);
    if (!type)
      throw new LichenError("BAD_ARGUMENT", {
        at: `graph ${graph.name}`,
        found: `value ${name}`,
        wanted: "a value of the graph",
      });
    return { name, ...type };
  };
  const given = new Set(from);
  const part = prune({
    ...graph,
    inputs: from.map(info),
    outputs: to.map(info),
    nodes: graph.nodes.filter((node) => !node.outputs.some((output) => given.has(output))),
  });
  const known = new Set([...given, ...part.initializers.keys(), ...part.nodes.flatMap((node) => node.outputs)]);
  const open = [...part.nodes.flatMap((node) => node.inputs), ...to].find((name) => name !== "" && !known.has(name));
  if (open !== undefined) {
    throw new LichenError("BAD_ARGUMENT", {
      at: `graph ${graph.name}`,
      found: `${to} depends on ${open}`,
      wanted: `only on ${from}`,
    });
  }
  return part;
}
