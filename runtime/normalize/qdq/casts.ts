import { attribute } from "../../onnx/attributes.ts";
import { elementOfCode } from "../../onnx/elements.ts";
import type { Graph, Node } from "../../onnx/graph.ts";
import { settleConstants } from "../constants.ts";
import { isQuantize, linksOf } from "./links.ts";

/** PyTorch casts what it has quantized to the type that it has: that Cast goes, and nothing stands between codes and their reader. */
export function dropCasts(graph: Graph): Graph {
  const links = linksOf(graph);
  const nodes = graph.nodes.map((node): Node => {
    const quantize = node.opType === "Cast" && node.domain === "" ? links.producer(node.inputs[0]!) : undefined;
    if (!isQuantize(quantize)) return node;
    const type = graph.initializers.get(quantize.inputs[2] ?? "")?.type ?? "uint8";
    return elementOfCode(attribute(node, "to", "int")) === type
      ? { ...node, opType: "Identity", attributes: {} }
      : node;
  });
  return settleConstants({ ...graph, nodes });
}
