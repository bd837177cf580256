import type { Graph, Node, ValueName } from "../../onnx/graph.ts";
import { ELEMENTS, type ElementArray, type Tensor } from "../../onnx/tensor.ts";
import { isDequantize, isQuantize, linksOf, uniqueNames } from "./links.ts";

/** From int8 to uint8, codes and zero points move by as much, so that the numbers they stand for do not. */
const SHIFT = 128;

/**
 * uint8 activations, and uint8 constants where a constant takes an activation's place: integer kernels want both operands of a
 * sum or a product to be of one type.
 */
export function unsignedActivations(graph: Graph): Graph {
  const links = linksOf(graph);
  const unique = uniqueNames(graph);
  const initializers = new Map(graph.initializers);
  const isSigned = (node: Node) => initializers.get(node.inputs[2] ?? "")?.type === "int8";

  const moved = new Set<Node>();
  for (const node of graph.nodes) {
    const [codes] = isQuantize(node) ? node.outputs : node.inputs;
    const users = links.users(codes!);
    if (
      isQuantize(node) &&
      isSigned(node) &&
      !links.isResult(codes!) &&
      users.every((user) => isDequantize(user) && isSigned(user))
    ) {
      for (const quantizer of [node, ...users]) moved.add(quantizer);
    }
    if (isDequantize(node) && isSigned(node) && initializers.has(codes!) && !isWeight(node)) moved.add(node);
  }

  function isWeight(dequantize: Node): boolean {
    const value = dequantize.outputs[0]!;
    return links.users(value).some(({ opType, inputs }) => WEIGHTED.has(opType) && inputs[1] === value);
  }

  const unsigned = new Map<ValueName, ValueName>();
  const unsignedConstant = (name: ValueName): ValueName => {
    const known = unsigned.get(name);
    if (known) return known;
    const fresh = unique(`${name}_unsigned`);
    initializers.set(fresh, shifted(initializers.get(name)!));
    unsigned.set(name, fresh);
    return fresh;
  };
  const nodes = graph.nodes.map((node): Node => {
    if (!moved.has(node)) return node;
    const [x, scale, zeroPoint] = node.inputs as [ValueName, ValueName, ValueName];
    const isConstant = isDequantize(node) && initializers.has(x);
    return { ...node, inputs: [isConstant ? unsignedConstant(x) : x, scale, unsignedConstant(zeroPoint)] };
  });
  return { ...graph, nodes, initializers };
}

/** Whose second operand, if constant, is a weight. */
const WEIGHTED = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul"]);

const shifted = ({ dims, data }: Tensor): Tensor => ({
  type: "uint8",
  dims,
  data: ELEMENTS.uint8.from(data as Int8Array, (code) => code + SHIFT) as ElementArray,
});
