import { isDequantize } from "../../normalize/qdq/links.ts";
import type { Graph, Model, Node } from "../../onnx/graph.ts";
import type { Tensor } from "../../onnx/tensor.ts";
import { foldConstants } from "../../passes/fold-constants.ts";
import { prune } from "../../passes/prune.ts";
import { probe } from "../probe.ts";
import { foldAffine } from "./affine.ts";
import { plainProducts } from "./products.ts";

/**
 * The same function in fewer and plainer operators: all constants computed, but for weights that are quantized already; what follows a
 * weighted layer and only scales or moves its channels folded into it, batch normalization above all; products as plain Gemms with one
 * bias per channel.
 * @param model normalized
 * @param sample one, to see shapes by
 */
export async function foldedModel(model: Model, sample: Tensor<"float32">): Promise<Graph> {
  const graph = uniqueNodes(await foldConstants(model.graph, isDequantize));
  const probed = await probe(graph, sample);
  return prune(foldAffine(plainProducts(graph, probed), probed));
}

/** Layers are told apart by name; exporters do not always. */
function uniqueNodes(graph: Graph): Graph {
  const taken = new Set<string>();
  const nodes = graph.nodes.map((node): Node => {
    let name = node.name || node.opType;
    for (let suffix = 1; taken.has(name); suffix++) name = `${node.name || node.opType}_${suffix}`;
    taken.add(name);
    return name === node.name ? node : { ...node, name };
  });
  return { ...graph, nodes };
}
