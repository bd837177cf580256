import { type Effective, effectiveOperands, type LayerChange } from "../integer/effective.ts";
import type { Layer, OperandKind } from "../integer/layers.ts";
import { lowerLayer } from "../integer/lower.ts";
import { dequantizeNode } from "../integer/quantized.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { Node, ValueName } from "../onnx/graph.ts";
import { parameterName, type Target } from "../plan/parts.ts";
import type { Plan } from "../plan/plan.ts";
import type { Base } from "./base.ts";

/** A target whose operands are now what its methods make of the parameters. */
export interface AdaptedLayer {
  target: Target;
  layer: Layer;
  change: LayerChange;
}

export interface Forward {
  adapted: readonly AdaptedLayer[];
  /** The nodes behind the frontier as the gradient rules see them: in real numbers, with the adapted operands. */
  nodes: readonly Node[];
}

/**
 * Adds the part of the network behind the frontier, in integer arithmetic wherever the base is, with the effective operands
 * computed from the parameters. Frontier values must already be there under their own names, parameters under theirs.
 */
export function addForward(b: GraphBuilder, plan: Plan): Forward {
  const { base } = plan;
  const adapted = addAdaptedLayers(b, plan);
  const layers = new Map(base.layers.map((layer) => [layer.node, layer]));
  for (const { target, layer } of adapted) layers.set(target.layer.node, layer);

  const lowered = [...layers.values()].filter((layer) => layer.integer);
  const fused = new Set(lowered.flatMap((layer) => layer.output ?? []));
  const nodes = plan.nodes.map((node) => layers.get(node)?.node ?? node);
  for (const node of plan.nodes) {
    adoptConstants(b, base, node);
    const layer = layers.get(node);
    if (layer?.integer) {
      for (const operand of operandNodes(layer)) adoptConstants(b, base, operand);
      lowerLayer(b, layer);
    } else if (!fused.has(node) && !b.has(node.outputs[0]!)) {
      b.adopt(layer?.node ?? node);
    }
  }
  return { adapted, nodes };
}

/** Each target's effective operands, and DequantizeLinear nodes that give them back as real numbers for the backward pass. */
export function addAdaptedLayers(b: GraphBuilder, plan: Plan): AdaptedLayer[] {
  const { base } = plan;
  return plan.targets.map((target) => {
    const { layer } = target;
    adoptConstants(b, base, layer.node);
    for (const node of operandNodes(layer)) adoptConstants(b, base, node);
    for (const operand of [layer.weight, layer.bias]) {
      if (operand?.dequantize && !b.has(operand.dequantize.outputs[0]!)) b.adopt(operand.dequantize);
    }
    const change = changeOf(b, target);
    const operands = effectiveOperands(b, base.graph, layer, change);
    return { target, layer: withOperands(layer, operands, (node) => b.adopt(node), b.fresh.bind(b)), change };
  });
}

/** What all parts of a target change together; none changes what another does. */
function changeOf(b: GraphBuilder, { layer, parts }: Target): LayerChange {
  const changes = parts.map(({ method, settings, parameters }) => {
    const own = new Set(parameters.map(({ name }) => name));
    const theta = (name: string) => (own.has(name) ? parameterName(layer, name) : undefined);
    return method.change({ b, layer, settings, theta });
  });
  const defined = changes.flatMap((change) => Object.entries(change).filter(([, value]) => value !== undefined));
  return Object.fromEntries(defined) as LayerChange;
}

/** The layer with other operands; `place` receives the DequantizeLinear nodes to put in front of it. */
export function withOperands(
  layer: Layer,
  operands: Partial<Record<OperandKind, Effective>>,
  place: (node: Node) => void,
  fresh: (name: string) => ValueName,
): Layer {
  const changed = (kind: OperandKind, axis: number) => {
    const [old, effective] = [layer[kind], operands[kind]];
    if (!old || !effective) return { operand: old, value: undefined };
    if (effective.tag === "real") return { operand: { ...old, dequantize: null }, value: effective.value };
    const dequantize = dequantizeNode(fresh(`${layer.name}_${kind}`), effective.operand, axis);
    place(dequantize);
    return { operand: { ...old, dequantize }, value: dequantize.outputs[0]! };
  };
  const weight = changed("weight", layer.weightAxis);
  const bias = changed("bias", 0);
  let { inputs } = layer.node;
  for (const { operand, value } of [weight, bias]) if (operand && value) inputs = inputs.with(operand.at, value);
  return { ...layer, node: { ...layer.node, inputs }, weight: weight.operand, bias: bias.operand };
}

const operandNodes = ({ input, weight, bias, output }: Layer): Node[] =>
  [input, weight?.dequantize, bias?.dequantize, output].filter((node): node is Node => Boolean(node));

function adoptConstants(b: GraphBuilder, base: Base, node: Node): void {
  for (const name of node.inputs) {
    const constant = base.graph.initializers.get(name);
    if (constant) b.adoptConstant(name, constant);
  }
}
