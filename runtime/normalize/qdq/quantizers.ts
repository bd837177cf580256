import { attribute } from "../../onnx/attributes.ts";
import { elementOfCode } from "../../onnx/elements.ts";
import type { Graph, Node, ValueName } from "../../onnx/graph.ts";
import { ELEMENTS, type ElementArray, type ElementType, type Tensor } from "../../onnx/tensor.ts";
import { int } from "../attributes.ts";
import { isDequantize, isQuantize, uniqueNames } from "./links.ts";

/** Every quantizer with a zero point; one of an activation with a scalar scale, or else with its axis. @see ONNX QuantizeLinear-21 */
export function completeQuantizers(graph: Graph): Graph {
  const unique = uniqueNames(graph);
  const initializers = new Map(graph.initializers);
  const types = new Map<ValueName, ElementType>(graph.inputs.map(({ name, type }) => [name, type]));
  for (const [name, { type }] of initializers) types.set(name, type);

  /** A constant under a name of its own. */
  const added = (name: string, value: Tensor): ValueName => {
    const fresh = unique(name);
    initializers.set(fresh, value);
    return fresh;
  };
  const scalar = (name: ValueName): ValueName => {
    const { type, dims, data } = initializers.get(name)!;
    return dims.length === 0 ? name : added(`${name}_scalar`, { type, dims: [], data });
  };

  const nodes = graph.nodes.map((node): Node => {
    if (!isQuantize(node) && !isDequantize(node)) return node;
    const [x, scaleName, zeroPointName = ""] = node.inputs as [ValueName, ValueName, ValueName?];
    const scale = initializers.get(scaleName);
    if (!scale) return node; // whoever needs the number says so
    const type = initializers.get(zeroPointName)?.type ?? quantizedType(node, types);
    types.set(node.outputs[0]!, isQuantize(node) ? type : "float32");
    const zeroPoint = zeroPointName || added(`${node.name}_zero_point`, zerosLike(scale, type));
    const perTensor = scale.data.length === 1 && !initializers.has(x);
    const several = scale.data.length > 1;
    return {
      ...node,
      inputs: [x, ...[scaleName, zeroPoint].map((name) => (perTensor && initializers.has(name) ? scalar(name) : name))],
      attributes: several ? { axis: int(attribute(node, "axis", "int", 1)) } : sameAxis(node),
    };
  });
  return { ...graph, nodes, initializers };
}

/** An axis says nothing beside one scale, but does no harm either. */
const sameAxis = ({ attributes }: Node): Node["attributes"] => (attributes.axis ? { axis: attributes.axis } : {});

function quantizedType(node: Node, types: ReadonlyMap<ValueName, ElementType>): ElementType {
  if (isDequantize(node)) return types.get(node.inputs[0]!) ?? "uint8";
  return elementOfCode(attribute(node, "output_dtype", "int", 0)) ?? "uint8";
}

const zerosLike = ({ dims, data }: Tensor, type: ElementType): Tensor => ({
  type,
  dims,
  data: new ELEMENTS[type](data.length) as ElementArray,
});
