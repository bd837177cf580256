import type { Base } from "../derive/base.ts";
import { LichenError } from "../errors.ts";
import { dependents } from "../gradients/backward.ts";
import { parseMethods } from "../methods/index.ts";
import type { ChangeKind, LayerParameter, Parameter } from "../methods/method.ts";
import type { Node, ValueName } from "../onnx/graph.ts";
import { elementCount, type Tensor, zeroTensor } from "../onnx/tensor.ts";
import { addModules, networkOf } from "./modules.ts";
import { type LayerPart, type Module, parameterName, type Target } from "./parts.ts";
import type { PlanSpec } from "./plan-spec.ts";
import { type ChoiceOptions, type ChosenLayer, choose, resolve } from "./spec.ts";

/** What will be trained, and from where on the network has to be run again for it. */
export interface Plan {
  /** The base, with the modules of the plan in it. */
  base: Base;
  /** As it was asked for, such as `head+bias`. */
  method: string;
  spec: PlanSpec;
  targets: readonly Target[];
  modules: readonly Module[];
  /** The earliest values that nothing trainable changes, quantized wherever the model is: cached once per sample. */
  frontier: readonly ValueName[];
  /** Nodes behind the frontier, in topological order. */
  nodes: readonly Node[];
  /** All parameters by their full names, `layer/parameter`. */
  parameters: readonly Parameter[];
  trainableParameters: number;
}

/** @throws UNKNOWN_METHOD, BAD_ARGUMENT, NOTHING_TO_TRAIN */
export function makePlan(base: Base, method: string, options: ChoiceOptions = {}): Plan {
  const methods = parseMethods(method);
  const names = methods.map((each) => each.method.name).join("+");
  return planOf(base, choose(networkOf(base), methods, options), names);
}

/** The plan that a spec describes. @throws UNKNOWN_METHOD, BAD_ARGUMENT, NOTHING_TO_TRAIN */
export function planOf(base: Base, spec: PlanSpec, method: string): Plan {
  const { layers, sites } = resolve(spec, networkOf(base));
  const modules = sites.map((each) => ({ ...each, parameters: each.method.parameters(each.site, each.settings) }));
  const grown = modules.length > 0 ? addModules(base, modules) : base;
  const targets = claim(layers, grown);
  const parameters = [...targets.flatMap(targetParameters), ...modules.flatMap(moduleParameters)];
  if (parameters.length === 0)
    throw new LichenError("NOTHING_TO_TRAIN", { at: `method ${method}`, found: "no parameters" });
  const changed = [
    ...targets.flatMap(({ layer }) => layer.node.outputs),
    ...modules.flatMap(moduleParameters).map(({ name }) => name),
  ];
  return {
    base: grown,
    method,
    spec,
    targets,
    modules,
    ...findFrontier(grown, changed),
    parameters,
    trainableParameters: parameters.reduce((sum, { dims }) => sum + elementCount(dims), 0),
  };
}

/** Where training starts from the bare base: zeros, but for what a method draws at random. */
export const startParameters = (plan: Plan): Record<string, Tensor> =>
  Object.fromEntries(plan.parameters.map(({ name, dims, start }) => [name, start?.() ?? zeroTensor(dims)]));

/** Parts gathered by layer, in network order; what a part would change that another has the claim to, it leaves alone. */
function claim(chosen: readonly ChosenLayer[], base: Base): Target[] {
  const parts = new Map<string, LayerPart[]>();
  const offers = chosen.map((each) => ({ ...each, offered: each.method.parameters(each.layer, each.settings) }));
  for (const { layer, method, settings, offered } of offers) {
    const others = parts.get(layer.name) ?? [];
    const claimed = new Set(others.flatMap((part) => part.parameters.map(({ changes }) => changes)));
    const firm = offers.filter((other) => other.layer === layer && other.method !== method).flatMap(firmClaims);
    const parameters = offered.filter(
      ({ changes, yields }) => !claimed.has(changes) && !(yields && firm.includes(changes)),
    );
    if (parameters.length > 0) parts.set(layer.name, [...others, { method, settings, parameters }]);
  }
  const working = new Set([...parts.values()].flat().map(({ method }) => method));
  const idle = chosen.find(({ method }) => !working.has(method));
  if (idle) {
    throw new LichenError("NOTHING_TO_TRAIN", {
      at: `method ${idle.method.name}`,
      found: "only what the methods before it change already",
    });
  }
  return base.layers.flatMap((layer) => (parts.has(layer.name) ? [{ layer, parts: parts.get(layer.name)! }] : []));
}

const firmClaims = ({ offered }: { offered: readonly LayerParameter[] }): ChangeKind[] =>
  offered.flatMap(({ changes, yields }) => (yields ? [] : [changes]));

const targetParameters = ({ layer, parts }: Target): Parameter[] =>
  parts.flatMap(({ parameters }) => parameters.map((each) => ({ ...each, name: parameterName(layer, each.name) })));

const moduleParameters = ({ site, parameters }: Module): Parameter[] =>
  parameters.map((each) => ({ ...each, name: parameterName(site, each.name) }));

/**
 * The cut between what stays and what changes. A float operand of a changing node that is only the dequantized form of an
 * integer one is cut before the DequantizeLinear, so that the cache holds bytes and integer kernels can read it. What is not one row
 * a sample (sizes, windows of a picture side by side) is not cut at all, but computed from what is.
 */
function findFrontier({ graph, types, input: { shape } }: Base, changed: readonly ValueName[]): Cut {
  const changing = dependents(graph.nodes, changed);
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const nodes = new Set(graph.nodes.filter((node) => node.outputs.some((output) => changing.has(output))));
  const frontier = new Set<ValueName>();
  const pending = [...nodes].flatMap((node) => node.inputs);
  // Grows as it goes.
  for (const value of pending) {
    if (value === "" || changing.has(value) || graph.initializers.has(value)) continue;
    const producer = producers.get(value);
    const isRow = types.get(value)!.shape[0] === shape[0];
    if (!producer || (isRow && producer.opType !== "DequantizeLinear")) frontier.add(value);
    else if (!nodes.has(producer)) {
      nodes.add(producer);
      pending.push(...producer.inputs);
    }
  }
  return { frontier: [...frontier], nodes: graph.nodes.filter((node) => nodes.has(node)) };
}

type Cut = Pick<Plan, "frontier" | "nodes">;
