import type { Graph, Node, ValueName } from "../../onnx/graph.ts";
import { inferTypes } from "../../shapes/infer.ts";
import { isDequantize, linksOf } from "./links.ts";

/**
 * A quantized product of two matrices with a real bias behind it is a Gemm, whose bias the integer kernel adds. ONNX Runtime makes
 * a Gemm of it as well, but a float one: it does so before it looks for quantized operands, and a bias that is real is none. A weight
 * that is real it quantizes in such a Gemm, not in a product.
 */
export function joinBiases(graph: Graph): Graph {
  const links = linksOf(graph);
  const isStored = (value: ValueName, rank: number) => graph.initializers.get(value)?.dims.length === rank;
  const sums = new Map<Node, { sum: Node; bias: ValueName }>();
  for (const node of graph.nodes) {
    const [x, w] = node.inputs.map((name) => links.producer(name));
    if (node.opType !== "MatMul" || node.domain !== "" || !isDequantize(x)) continue;
    if (!isStored(isDequantize(w) ? w.inputs[0]! : node.inputs[1]!, 2)) continue;
    const product = node.outputs[0]!;
    const [sum, ...others] = links.users(product);
    if (sum?.opType !== "Add" || sum.domain !== "" || others.length > 0 || links.isResult(product)) continue;
    const bias = sum.inputs.find((name) => name !== product);
    if (bias !== undefined && isStored(bias, 1)) sums.set(node, { sum, bias });
  }
  if (sums.size === 0) return graph;

  const types = inferTypes(graph);
  const joined = new Set<Node>();
  const nodes = graph.nodes.flatMap((node) => {
    const found = sums.get(node);
    if (!found || types.get(node.inputs[0]!)!.shape.length !== 2) return [node];
    joined.add(found.sum);
    return [{ ...node, opType: "Gemm", inputs: [...node.inputs, found.bias], outputs: found.sum.outputs }];
  });
  return { ...graph, nodes: nodes.filter((node) => !joined.has(node)) };
}
