import { isDequantize, isQuantize, linksOf } from "../normalize/qdq/links.ts";
import { GraphBuilder } from "../onnx/builder.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import type { Probed } from "./probe.ts";

/** A quantized layer in both graphs, by name. */
export interface ComparedLayer {
  name: string;
  operator: string;
  /** What it computes in the float graph, behind a clip that was folded into it. */
  value: ValueName;
  /** The codes of that in the quantized graph; null where it stays a real number. */
  codes: ValueName | null;
}

export const localName = ({ name }: Pick<ComparedLayer, "name">): ValueName => `${name} alone`;

/** Every layer by itself, fed with what the float graph computes. */
export function layersAlone(
  graph: Graph,
  layers: readonly ComparedLayer[],
  reals: ReadonlyMap<ValueName, ValueName>,
  probed: ReadonlyMap<ValueName, Probed>,
): Graph {
  const b = new GraphBuilder({ source: graph });
  const links = linksOf(graph);
  const byName = new Map(graph.nodes.map((node) => [node.name, node]));
  const entries = new Set<ValueName>();
  for (const layer of layers) {
    const node = byName.get(layer.name);
    if (node && readsOnlyCodes(node)) adoptAlone(node, layer);
  }
  return b.build("layers alone");

  /** All that it computes with are constants, or codes of values that the float graph has too. */
  function readsOnlyCodes(node: Node): boolean {
    return node.inputs.every((name) => {
      const producer = links.producer(name);
      if (!producer) return name === "" || graph.initializers.has(name);
      const from = producer.inputs[0]!;
      return isDequantize(producer) && (graph.initializers.has(from) || reals.has(from));
    });
  }

  function adoptAlone(node: Node, { codes, ...layer }: ComparedLayer): void {
    const inputs = node.inputs.map((name) => {
      const dequantize = links.producer(name);
      if (!dequantize) {
        if (name !== "") b.adoptConstant(name, graph.initializers.get(name)!);
        return name;
      }
      const [from, ...parameters] = dequantize.inputs as [ValueName, ...ValueName[]];
      for (const constant of parameters) b.adoptConstant(constant, graph.initializers.get(constant)!);
      const stored = graph.initializers.get(from);
      if (stored) b.adoptConstant(from, stored);
      const read = stored ? from : b.add("QuantizeLinear", [entry(reals.get(from)!), ...parameters]);
      return adoptNamed({ ...dequantize, inputs: [read, ...parameters] });
    });
    const y = adoptNamed({ ...node, inputs });
    const quantize = codes === null ? undefined : links.producer(codes);
    const parameters = isQuantize(quantize) ? quantize.inputs.slice(1) : [];
    for (const constant of parameters) b.adoptConstant(constant, graph.initializers.get(constant)!);
    const real = isQuantize(quantize)
      ? b.add("DequantizeLinear", [b.add("QuantizeLinear", [y, ...parameters]), ...parameters])
      : y;
    const name = localName(layer);
    b.alias(name, real);
    b.output(name, { type: "float32" });
  }

  function adoptNamed(node: Node): ValueName {
    const name = b.fresh(node.name);
    const outputs = node.outputs.map((output, at) => (at === 0 ? name : b.fresh(output)));
    b.adopt({ ...node, name, outputs });
    return name;
  }

  /** Sizes stay open: inside a transformer samples may lie along any axis, and several of them along one. */
  function entry(value: ValueName): ValueName {
    const sizes = probed.get(value)!.dims.map((_, axis) => `${value} ${axis}`);
    if (!entries.has(value)) b.input(value, "float32", sizes);
    entries.add(value);
    return value;
  }
}
