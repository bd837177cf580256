import { type Layer, type Quantized, quantizedOperand } from "../integer/layers.ts";
import { lowerLayer } from "../integer/lower.ts";
import type { OperandKind } from "../methods/method.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { Node, ValueName } from "../onnx/graph.ts";
import { type Plan, parameterName, type Target } from "../plan/plan.ts";
import type { Base } from "./base.ts";

/** A target whose weight and bias are now what its method computes from the parameters. */
export interface AdaptedLayer {
  target: Target;
  layer: Layer;
}

export interface Forward {
  adapted: readonly AdaptedLayer[];
  /** The nodes behind the frontier as the gradient rules see them: in real numbers, with the adapted operands. */
  nodes: readonly Node[];
}

/**
 * Adds the part of the network behind the frontier, in integer arithmetic, with the effective weights and biases computed from
 * the parameters. Frontier values must already be there under their own names, parameters under theirs.
 */
export function addForward(b: GraphBuilder, base: Base, plan: Plan): Forward {
  const adapted = addAdaptedLayers(b, base, plan);
  const layers = new Map(base.layers.map((layer) => [layer.node, layer]));
  for (const { target, layer } of adapted) layers.set(target.layer.node, layer);

  const fused = new Set([...layers.values()].flatMap((layer) => layer.output ?? []));
  const nodes = plan.nodes.map((node) => layers.get(node)?.node ?? node);
  for (const node of plan.nodes) {
    for (const name of node.inputs) {
      const constant = base.graph.initializers.get(name);
      if (constant) b.adoptConstant(name, constant);
    }
    const layer = layers.get(node);
    if (layer) {
      for (const operand of [layer.weight, layer.bias, ...(layer.output ? [layer.output] : [])])
        adoptConstants(b, base, operand);
      lowerLayer(b, layer);
    } else if (!fused.has(node) && !b.has(node.outputs[0]!)) {
      b.adopt(node);
    }
  }
  return { adapted, nodes };
}

/** Each target's effective operands, and DequantizeLinear nodes that give them back as real numbers for the backward pass. */
export function addAdaptedLayers(b: GraphBuilder, base: Base, plan: Plan): AdaptedLayer[] {
  return plan.targets.map((target) => {
    const { layer, method } = target;
    for (const node of [layer.input, layer.weight, layer.bias]) adoptConstants(b, base, node);
    for (const node of [layer.weight, layer.bias]) if (!b.has(node.outputs[0]!)) b.adopt(node);
    const theta = (name: string) => parameterName(layer, name);
    const operands = method.effective({ b, graph: base.graph, layer, theta });
    return { target, layer: withOperands(layer, operands, (node) => b.adopt(node), b.fresh.bind(b)) };
  });
}

/** The layer with other weight or bias; `place` receives the DequantizeLinear nodes to put in front of it. */
export function withOperands(
  layer: Layer,
  operands: Partial<Record<OperandKind, Quantized>>,
  place: (node: Node) => void,
  fresh: (name: string) => ValueName,
): Layer {
  const dequantize = (kind: OperandKind, axis: number): Node => {
    const operand = operands[kind];
    if (!operand) return layer[kind];
    const name = fresh(`${layer.name}_${kind}`);
    const node: Node = {
      name,
      opType: "DequantizeLinear",
      domain: "",
      inputs: [operand.quantized, operand.scale, operand.zeroPoint],
      outputs: [name],
      attributes: { axis: { kind: "int", value: axis } },
    };
    place(node);
    return node;
  };
  const weight = dequantize("weight", layer.weightAxis);
  const bias = dequantize("bias", 0);
  const node = { ...layer.node, inputs: [layer.node.inputs[0]!, weight.outputs[0]!, bias.outputs[0]!] };
  return { ...layer, node, weight, bias };
}

function adoptConstants(b: GraphBuilder, base: Base, node: Node): void {
  const { quantized, scale, zeroPoint } = quantizedOperand(node);
  for (const name of [quantized, scale, zeroPoint]) {
    const constant = base.graph.initializers.get(name);
    if (constant) b.adoptConstant(name, constant);
  }
}
