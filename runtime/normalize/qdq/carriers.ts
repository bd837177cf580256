import { attribute } from "../../onnx/attributes.ts";
import type { Graph, Node, ValueName } from "../../onnx/graph.ts";
import { float32, type Tensor } from "../../onnx/tensor.ts";
import { isQuantize, uniqueNames } from "./links.ts";

/**
 * Operators that only move or choose numbers and so may work on integers as they are, the places of their data among the operands.
 * In QOperator models they stand between integers; as QDQ they get a DequantizeLinear before and a QuantizeLinear behind them, both
 * of the scale that they pass on. The codes stay the same; only a linear Resize may round by one step otherwise.
 */
const CARRIERS: Readonly<Record<string, (node: Node) => readonly number[]>> = {
  Concat: ({ inputs }) => [...inputs.keys()],
  DepthToSpace: () => [0],
  Expand: () => [0],
  Flatten: () => [0],
  Gather: () => [0],
  MaxPool: () => [0],
  Pad: () => [0],
  Reshape: () => [0],
  Resize: () => [0],
  Slice: () => [0],
  SpaceToDepth: () => [0],
  Split: () => [0],
  Squeeze: () => [0],
  Tile: () => [0],
  Transpose: () => [0],
  Unsqueeze: () => [0],
};

/** Scale and zero point of a quantized value, the zero point empty where absent. */
type Codes = readonly [scale: ValueName, zeroPoint: ValueName];

export function carryRealNumbers(graph: Graph): Graph {
  const unique = uniqueNames(graph);
  const codes = new Map<ValueName, Codes>();
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (isQuantize(node)) codes.set(node.outputs[0]!, [node.inputs[1]!, node.inputs[2] ?? ""]);
    const places = node.domain === "" && Object.hasOwn(CARRIERS, node.opType) ? CARRIERS[node.opType]!(node) : [];
    const carried = sharedCodes(places.map((at) => codes.get(node.inputs[at]!)));
    if (!carried) return [node];

    const before = places.map((at) =>
      quantizer("DequantizeLinear", node.inputs[at]!, unique(`${node.inputs[at]}_real`), carried),
    );
    const reals = new Map(places.map((at, index) => [at, before[index]!.outputs[0]!]));
    const real: Node = {
      ...node,
      inputs: node.inputs.map((name, at) => reals.get(at) ?? name),
      outputs: node.outputs.map((name) => (name === "" ? "" : unique(`${name}_real`))),
    };
    const behind = node.outputs.flatMap((name, at) => {
      if (name === "") return [];
      codes.set(name, carried);
      return [quantizer("QuantizeLinear", real.outputs[at]!, name, carried)];
    });
    return [...before, node.opType === "Pad" ? padded(real, carried, initializers, unique) : real, ...behind];
  });
  return { ...graph, nodes, initializers };
}

/** All operands have to be of one scale for a Concat to be more than a requantization. */
function sharedCodes(all: readonly (Codes | undefined)[]): Codes | undefined {
  const first = all[0];
  return first && all.every((codes) => codes?.join() === first.join()) ? first : undefined;
}

/** What an integer Pad pads with is a code: 0 where nothing is said, which need not be the number 0. */
function padded(
  node: Node,
  [scale, zeroPoint]: Codes,
  initializers: Map<ValueName, Tensor>,
  unique: (name: string) => string,
): Node {
  if (attribute(node, "mode", "string", "constant") !== "constant") return node;
  const number = (name: ValueName | undefined) => Number(initializers.get(name ?? "")?.data[0] ?? 0);
  const value = unique(`${node.name}_value`);
  initializers.set(value, float32([], [(number(node.inputs[2]) - number(zeroPoint)) * number(scale)]));
  return { ...node, inputs: [node.inputs[0]!, node.inputs[1]!, value, ...node.inputs.slice(3)] };
}

const quantizer = (opType: string, from: ValueName, to: ValueName, [scale, zeroPoint]: Codes): Node => ({
  name: `${to}_${opType}`,
  opType,
  domain: "",
  inputs: zeroPoint === "" ? [from, scale] : [from, scale, zeroPoint],
  outputs: [to],
  attributes: {},
});
