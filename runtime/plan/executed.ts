import { attribute } from "../onnx/attributes.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { channelsLast as channelsLastAxes } from "../onnx/layout.ts";
import { operands } from "../onnx/topological.ts";
import type { ValueTypes } from "../shapes/infer.ts";
import type { ValueType } from "../shapes/rule.ts";

/** A graph as ONNX Runtime runs it, as far as memory is concerned. */
export interface Executed {
  graph: Graph;
  types: ValueTypes;
  /** Values that follow from constants alone: there before the first run. */
  constants: ReadonlySet<ValueName>;
}

/**
 * What ONNX Runtime's optimizer makes of a graph: constants are folded; an operator between dequantized and quantized values runs on
 * integers and its real numbers are never made; convolutions read and write layouts of their own, with copies at the border to
 * whoever does not share them.
 */
export function asExecuted(graph: Graph, types: ValueTypes): Executed {
  const constants = constantValues(graph);
  const computed = graph.nodes.filter((node) => !constants.has(node.outputs[0]!));
  const fused = fuseIntegers({ ...graph, nodes: computed });
  const laidOut = new Map(types);
  const nodes = withChannelsBlocked(withChannelsLast(fused, laidOut), laidOut, constants);
  return { graph: { ...graph, nodes }, types: laidOut, constants };
}

function constantValues(graph: Graph): Set<ValueName> {
  const constants = new Set<ValueName>(graph.initializers.keys());
  for (const node of graph.nodes) {
    const read = operands(node);
    if (node.opType === "Constant" || (read.length > 0 && read.every((name) => constants.has(name))))
      for (const output of node.outputs) constants.add(output);
  }
  return constants;
}

/** Operators that have integer kernels where operands and answer are quantized. @see onnxruntime qdq_selector_action_transformer.cc */
const RUN_ON_INTEGERS: ReadonlySet<string> = new Set([
  "Add",
  "AveragePool",
  "Concat",
  "GlobalAveragePool",
  "LeakyRelu",
  "MatMul",
  "Mul",
  "Sigmoid",
  "Softmax",
  "Where",
]);

/** DequantizeLinear → operator → QuantizeLinear becomes one node. A dequantized value stays where somebody else reads it. */
function fuseIntegers({ nodes, outputs }: Graph): Node[] {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const readers = readersOf(nodes);
  const results = new Set(outputs.map(({ name }) => name));
  const dequantizer = (name: ValueName) => {
    const producer = producers.get(name);
    return producer?.opType === "DequantizeLinear" ? producer : undefined;
  };
  const fused = new Map<Node, Node>();
  const gone = new Set<Node>();
  for (const node of nodes) {
    const [output] = node.outputs as [ValueName];
    const [quantizer, ...others] = readers.get(output) ?? [];
    if (!RUN_ON_INTEGERS.has(node.opType) || others.length > 0 || results.has(output)) continue;
    if (quantizer?.opType !== "QuantizeLinear" || !node.inputs.some((name) => dequantizer(name))) continue;
    const inputs = node.inputs.map((name) => dequantizer(name)?.inputs[0] ?? name);
    fused.set(node, { ...node, inputs, outputs: quantizer.outputs });
    gone.add(quantizer);
  }
  const kept = nodes.filter((node) => !gone.has(node)).map((node) => fused.get(node) ?? node);
  const read = new Set(kept.flatMap(operands));
  return kept.filter(
    (node) => node.opType !== "DequantizeLinear" || read.has(node.outputs[0]!) || results.has(node.outputs[0]!),
  );
}

/** Operators that hand on integers with the channels last, once a QLinearConv has made them so. */
const KEEP_CHANNELS_LAST: ReadonlySet<string> = new Set([
  "QLinearConv",
  "Add",
  "GlobalAveragePool",
  "AveragePool",
  "Concat",
  "MaxPool",
]);

/** Integer convolutions keep channels last; others who read what they write read a transposed copy, which they share. */
function withChannelsLast(nodes: readonly Node[], types: Map<ValueName, ValueType>): Node[] {
  const channelsLast = new Set(nodes.filter((node) => node.opType === "QLinearConv").flatMap((node) => node.outputs));
  const copies = new Map<ValueName, ValueName>();
  return nodes.flatMap((node): Node[] => {
    if (KEEP_CHANNELS_LAST.has(node.opType)) return [node];
    // A transposition to where the channels are already cancels out.
    if (leadsToChannelsLast(node) && channelsLast.has(node.inputs[0]!)) return [{ ...node, opType: "Identity" }];
    const added: Node[] = [];
    const inputs = node.inputs.map((name) => {
      if (!channelsLast.has(name)) return name;
      const known = copies.get(name);
      if (known) return known;
      const copy = reordered("Transpose", name, types);
      copies.set(name, copy.outputs[0]!);
      added.push(copy);
      return copy.outputs[0]!;
    });
    return [...added, { ...node, inputs }];
  });
}

const leadsToChannelsLast = (node: Node): boolean => {
  const perm = node.opType === "Transpose" ? attribute(node, "perm", "ints", []) : [];
  return perm.length > 2 && perm.every((axis, at) => axis === channelsLastAxes(perm.length)[at]);
};

/**
 * Real convolutions with a constant kernel work on channels in blocks: copies before and behind. What the optimizer has added stands
 * behind all that was there, which decides who goes first. @see executionOrder
 */
function withChannelsBlocked(
  nodes: readonly Node[],
  types: Map<ValueName, ValueType>,
  constants: ReadonlySet<ValueName>,
): Node[] {
  const added: Node[] = [];
  const kept = nodes.filter((node) => {
    if (node.opType !== "Conv" || !constants.has(node.inputs[1]!)) return true;
    const before = reordered("ReorderInput", node.inputs[0]!, types);
    const blocked = `${node.outputs[0]}:blocked`;
    types.set(blocked, types.get(node.outputs[0]!)!);
    added.push(
      before,
      { ...node, inputs: node.inputs.with(0, before.outputs[0]!), outputs: [blocked] },
      { ...before, name: `${node.name}:output`, opType: "ReorderOutput", inputs: [blocked], outputs: node.outputs },
    );
    return false;
  });
  return [...kept, ...added];
}

function reordered(opType: string, value: ValueName, types: Map<ValueName, ValueType>): Node {
  let name = `${value}:${opType}`;
  while (types.has(name)) name += "'";
  types.set(name, types.get(value)!);
  return { name, opType, domain: "", inputs: [value], outputs: [name], attributes: {} };
}

function readersOf(nodes: readonly Node[]): Map<ValueName, Node[]> {
  const readers = new Map<ValueName, Node[]>();
  for (const node of nodes)
    for (const name of operands(node)) {
      const known = readers.get(name);
      if (known) known.push(node);
      else readers.set(name, [node]);
    }
  return readers;
}
