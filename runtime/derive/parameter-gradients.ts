import { backward } from "../gradients/backward.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { parameterName } from "../plan/parts.ts";
import type { Plan } from "../plan/plan.ts";
import type { ValueType } from "../shapes/rule.ts";
import type { AdaptedLayer, Forward } from "./forward.ts";
import { layerGradients } from "./layer-gradients.ts";

/** Gradient of each parameter, by its full name. @param seed gradient with respect to the logits */
export function parameterGradients(
  b: GraphBuilder,
  plan: Plan,
  forward: Forward,
  seed: ValueName,
): Map<ValueName, ValueName> {
  const type = adaptedTypes(plan, forward.adapted);
  const ofModules = plan.modules.flatMap(({ site, parameters }) => parameters.map((p) => parameterName(site, p.name)));
  const found = backward(b, {
    nodes: forward.nodes,
    type,
    seeds: new Map([[plan.base.logits.name, seed]]),
    wanted: [...forward.adapted.map(({ layer }) => layer.node.outputs[0]!), ...ofModules],
  });
  const ofLayers = forward.adapted.flatMap((adapted) => {
    const { layer, parts } = adapted.target;
    const gradients = layerGradients(b, adapted, found.get(layer.node.outputs[0]!)!, type);
    return parts.flatMap(({ method, settings, parameters }) => {
      const own = new Set(parameters.map(({ name }) => name));
      const theta = (name: string) => (own.has(name) ? parameterName(layer, name) : undefined);
      const made = method.gradients({ b, layer: adapted.layer, settings, theta }, gradients);
      return parameters.map(({ name }) => [parameterName(layer, name), made[name]!()] as const);
    });
  });
  return new Map([...ofLayers, ...ofModules.map((name) => [name, found.get(name)!] as const)]);
}

/** Types of all values, those of adapted operands being the base's. */
function adaptedTypes({ base }: Plan, adapted: readonly AdaptedLayer[]): (name: ValueName) => ValueType {
  const baseOf = new Map(
    adapted.flatMap(({ target, layer }) =>
      layer.node.inputs.map((name, at) => [name, target.layer.node.inputs[at]!] as const),
    ),
  );
  return (name) => base.types.get(baseOf.get(name) ?? name)!;
}
