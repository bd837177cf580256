import { attribute } from "../../onnx/attributes.ts";
import type { Graph, Node, ValueName } from "../../onnx/graph.ts";
import { int64 } from "../../onnx/tensor.ts";
import { inferTypes } from "../../shapes/infer.ts";
import { int } from "../attributes.ts";
import { isDequantize, linksOf, uniqueNames } from "./links.ts";

/**
 * A mean over all places of a picture goes over one axis, on which they have been laid behind each other: no integer kernel takes a mean
 * over several, and in float ONNX Runtime would add them up in whichever layout the kernels around them like best. What else is in the graph
 * would decide over the last bit, and so over a code now and then; nothing turns a value round through a Reshape.
 */
export function layMeansOut(graph: Graph): Graph {
  const links = linksOf(graph);
  const means = graph.nodes.filter(
    ({ opType, domain, inputs }) =>
      opType === "ReduceMean" && domain === "" && isDequantize(links.producer(inputs[0]!)),
  );
  if (means.length === 0) return graph;

  const types = inferTypes(graph);
  const unique = uniqueNames(graph);
  const initializers = new Map(graph.initializers);
  const constant = (name: string, values: readonly number[]): ValueName => {
    const value = unique(name);
    initializers.set(value, int64(values));
    return value;
  };
  const reshape = (name: string, from: ValueName, to: ValueName, dims: readonly number[]): Node => ({
    name: unique(name),
    opType: "Reshape",
    domain: "",
    inputs: [from, constant(`${name}_dims`, dims)],
    outputs: [to],
    attributes: {},
  });
  const laidOut = (node: Node): Node[] => {
    const [x, axes] = node.inputs as [ValueName, ValueName?];
    const rank = types.get(x)!.shape.length;
    if (!isOverPlaces(Array.from(graph.initializers.get(axes ?? "")?.data ?? [], Number), rank)) return [node];
    const flat = unique(`${node.name}_places`);
    const over = { ...node, inputs: [flat, constant(`${node.name}_axis`, [2])] };
    const before = reshape(`${node.name}_flat`, x, flat, [0, 0, -1]);
    if (attribute(node, "keepdims", "int", 1) === 0) return [before, over];
    const mean = unique(`${node.name}_mean`);
    const dims = Array.from({ length: rank }, (_, axis) => (axis < 2 ? 0 : 1));
    const kept = reshape(`${node.name}_kept`, mean, node.outputs[0]!, dims);
    return [before, { ...over, outputs: [mean], attributes: { keepdims: int(0) } }, kept];
  };
  const chosen = new Set(means);
  return { ...graph, nodes: graph.nodes.flatMap((node) => (chosen.has(node) ? laidOut(node) : [node])), initializers };
}

/** All axes but those of samples and channels, and more than one. */
function isOverPlaces(axes: readonly number[], rank: number): boolean {
  const reduced = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
  return rank > 3 && reduced.size === rank - 2 && !reduced.has(0) && !reduced.has(1);
}
