import type { Base } from "../derive/base.ts";
import { findLayers } from "../integer/layers.ts";
import type { Network } from "../methods/method.ts";
import { GraphBuilder } from "../onnx/builder.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { inferTypes } from "../shapes/infer.ts";
import { type Module, parameterName } from "./parts.ts";

/** What methods may look at. A real value's site is its quantized form, where it has exactly one. */
export function networkOf({ graph, layers, input, types }: Base): Network {
  const quantizers = new Map<ValueName, ValueName[]>();
  for (const { opType, inputs, outputs } of graph.nodes)
    if (opType === "QuantizeLinear") quantizers.set(inputs[0]!, [...(quantizers.get(inputs[0]!) ?? []), outputs[0]!]);
  const site = (value: ValueName) => {
    const found = quantizers.get(value) ?? [];
    return found.length === 1 ? found[0]! : value;
  };
  return { nodes: graph.nodes, layers, input: input.name, type: (name) => types.get(name)!, site };
}

/**
 * The base with modules in it. A module reads its site's value under its own name and all others read the module's answer, so that
 * what lies before a module (a cached frontier, a rehearsal pack) keeps its name. Parameters are values that are not there yet.
 */
export function addModules(base: Base, modules: readonly Module[]): Base {
  const graph = modules.reduce(addModule, base.graph);
  const parameters = modules.flatMap(({ site, parameters }) =>
    parameters.map(({ name, dims }) => ({ name: parameterName(site, name), type: "float32" as const, shape: dims })),
  );
  const types = inferTypes({ ...graph, inputs: [...graph.inputs, ...parameters] });
  return { ...base, graph, types, layers: findLayers(graph, types) };
}

function addModule(graph: Graph, { site, method, settings }: Module): Graph {
  const b = new GraphBuilder({ source: graph });
  const quantizer = graph.nodes.find(({ opType, outputs }) => opType === "QuantizeLinear" && outputs[0] === site.value);
  const theta = (name: string) => parameterName(site, name);
  const build = (x: ValueName) => method.build({ b, x, site, settings, theta });
  let answer: ValueName;
  if (quantizer) {
    const [, scale, zeroPoint] = quantizer.inputs as [ValueName, ValueName, ValueName];
    const x = b.add("DequantizeLinear", [site.value, scale, zeroPoint]);
    answer = b.add("QuantizeLinear", [build(x), scale, zeroPoint]);
  } else {
    answer = build(site.value);
  }
  const built = b.build("module");
  const redirected = (node: Node): Node => ({
    ...node,
    inputs: node.inputs.map((input) => (input === site.value ? answer : input)),
  });
  const place = graph.nodes.findIndex((node) => node.outputs.includes(site.value)) + 1;
  return {
    ...graph,
    nodes: [...graph.nodes.slice(0, place), ...built.nodes, ...graph.nodes.slice(place).map(redirected)],
    initializers: new Map([...graph.initializers, ...built.initializers]),
  };
}
