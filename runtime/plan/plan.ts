import type { Base } from "../derive/base.ts";
import { LichenError } from "../errors.ts";
import { dependents } from "../gradients/backward.ts";
import type { Layer } from "../integer/layers.ts";
import { parseMethods } from "../methods/index.ts";
import type { Method, Parameter } from "../methods/method.ts";
import type { Node, ValueName } from "../onnx/graph.ts";
import { elementCount } from "../onnx/tensor.ts";

export interface Target {
  layer: Layer;
  method: Method;
  /** Named within the layer. */
  parameters: readonly Parameter[];
}

/** What will be trained, and from where on the network has to be run again for it. */
export interface Plan {
  method: string;
  targets: readonly Target[];
  /** The earliest values that nothing trainable changes, quantized wherever the model is: cached once per sample. */
  frontier: readonly ValueName[];
  /** Nodes behind the frontier, in topological order. */
  nodes: readonly Node[];
  /** All parameters by their full names, `layer/parameter`. */
  parameters: readonly Parameter[];
  trainableParameters: number;
}

export const parameterName = (layer: Layer, name: string): string => `${layer.name}/${name}`;

/** @throws UNKNOWN_METHOD, NOTHING_TO_TRAIN */
export function makePlan(base: Base, method: string): Plan {
  const methods = parseMethods(method);
  const claimed = new Set<string>();
  const targets = methods.flatMap((each) => {
    const found = each.targets(base.layers).flatMap((layer): Target[] => {
      const operands = each.operands.map((operand) => parameterName(layer, operand));
      if (operands.some((operand) => claimed.has(operand))) return [];
      for (const operand of operands) claimed.add(operand);
      return [{ layer, method: each, parameters: each.parameters(layer, base.graph) }];
    });
    if (found.length > 0) return found;
    throw new LichenError("NOTHING_TO_TRAIN", {
      at: `method ${each.name}`,
      wanted: "an int8 layer that no other method has claimed",
    });
  });

  const parameters = targets.flatMap(({ layer, parameters }) =>
    parameters.map(({ name, dims }) => ({ name: parameterName(layer, name), dims })),
  );
  return {
    method: methods.map((each) => each.name).join("+"),
    targets,
    ...findFrontier(
      base,
      targets.map((target) => target.layer),
    ),
    parameters,
    trainableParameters: parameters.reduce((sum, { dims }) => sum + elementCount(dims), 0),
  };
}

/**
 * The cut between what stays and what changes. A float operand of a changing node that is only the dequantized form of an
 * integer one is cut before the DequantizeLinear, so that the cache holds bytes and integer kernels can read it.
 */
function findFrontier({ graph }: Base, layers: readonly Layer[]): Pick<Plan, "frontier" | "nodes"> {
  const changing = dependents(
    graph.nodes,
    layers.flatMap((layer) => layer.node.outputs),
  );
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const nodes = new Set(graph.nodes.filter((node) => node.outputs.some((output) => changing.has(output))));
  const frontier = new Set<ValueName>();
  for (const input of [...nodes].flatMap((node) => node.inputs)) {
    const producer = producers.get(input);
    if (input === "" || changing.has(input) || graph.initializers.has(input)) continue;
    if (producer?.opType !== "DequantizeLinear") {
      frontier.add(input);
      continue;
    }
    nodes.add(producer);
    if (!graph.initializers.has(producer.inputs[0]!)) frontier.add(producer.inputs[0]!);
  }
  return { frontier: [...frontier], nodes: graph.nodes.filter((node) => nodes.has(node)) };
}
