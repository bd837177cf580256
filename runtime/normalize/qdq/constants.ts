import { attribute } from "../../onnx/attributes.ts";
import type { Graph, Node, ValueName } from "../../onnx/graph.ts";
import { ELEMENTS, elementCount, type Tensor } from "../../onnx/tensor.ts";
import { transposeTensor } from "../../onnx/transpose.ts";
import { int } from "../attributes.ts";
import { type CodeType, codeLimits, quantized } from "./codes.ts";
import { isDequantize, isQuantize, linksOf, uniqueNames } from "./links.ts";

/**
 * Weights that exporters leave to be computed: quantized from float constants (as training-aware tools write them), transposed
 * behind their DequantizeLinear or as they are (as `x @ w.T` becomes). They become the constants that they are, so that layers
 * can be seen. A DequantizeLinear of a constant stays: it is what makes a weight a quantized one.
 */
export function foldConstants(graph: Graph): Graph {
  const links = linksOf(graph);
  const unique = uniqueNames(graph);
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const value = initializers.get(node.inputs[0] ?? "");
    if (isQuantize(node) && value?.type === "float32") {
      const codes = quantizedConstant(value, node, initializers);
      if (!codes) return [node];
      initializers.set(node.outputs[0]!, codes);
      return [];
    }
    if (node.opType !== "Transpose" || node.domain !== "") return [node];
    if (value) {
      initializers.set(node.outputs[0]!, transposeTensor(value, permutation(node, value)));
      return [];
    }
    const dequantize = links.producer(node.inputs[0]!);
    const codes = isDequantize(dequantize) ? initializers.get(dequantize.inputs[0]!) : undefined;
    if (!dequantize || !codes) return [node];
    const perm = permutation(node, codes);
    const name = unique(`${dequantize.inputs[0]}_transposed`);
    initializers.set(name, transposeTensor(codes, perm));
    const axis = attribute(dequantize, "axis", "int", 1);
    const from = axis < 0 ? axis + codes.dims.length : axis;
    const attributes = dequantize.attributes.axis ? { axis: int(perm.indexOf(from)) } : {};
    return [
      {
        ...dequantize,
        name: node.name,
        inputs: [name, ...dequantize.inputs.slice(1)],
        outputs: node.outputs,
        attributes,
      },
    ];
  });
  return { ...graph, nodes, initializers };
}

function quantizedConstant(
  value: Tensor,
  node: Node,
  initializers: ReadonlyMap<ValueName, Tensor>,
): Tensor | undefined {
  const [scale, zeroPoint] = node.inputs.slice(1).map((name) => initializers.get(name));
  if (!scale || !zeroPoint || !(zeroPoint.type in codeLimits)) return undefined;
  const type = zeroPoint.type as CodeType;
  const axis = attribute(node, "axis", "int", 1);
  const from = axis < 0 ? axis + value.dims.length : axis;
  const inner = elementCount(value.dims.slice(from + 1));
  const channelOf = (index: number) => (scale.data.length === 1 ? 0 : Math.floor(index / inner) % scale.data.length);
  const codes = new ELEMENTS[type](value.data.length);
  for (const index of codes.keys()) {
    const channel = channelOf(index);
    const [s, z] = [scale.data[channel] as number, zeroPoint.data[channel] as number];
    codes[index] = quantized(value.data[index] as number, s, z, type);
  }
  return { type, dims: value.dims, data: codes };
}

const permutation = (node: Node, { dims }: Tensor): readonly number[] =>
  attribute(
    node,
    "perm",
    "ints",
    dims.map((_, axis) => dims.length - 1 - axis),
  );
