import { attribute } from "../onnx/attributes.ts";
import { GraphBuilder } from "../onnx/builder.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { channelsFirst, channelsLast } from "../onnx/layout.ts";
import { int64 } from "../onnx/tensor.ts";
import { operands } from "../onnx/topological.ts";

/**
 * Keeps gradients in the layout [N, …, C] from one pointwise convolution to the next. There a product with the weight is one
 * large matrix product, and the integer kernels, which work in that layout, give their values for the clip mask without a
 * transposition; ONNX Runtime moves no transposition across a quantization of blocks, so it is done here.
 *
 * Transposes that lead back to [N, C, …] are held back until somebody needs that layout. What works on each element by itself is
 * done behind them, sums over all places take other axes, and a Transpose that leads forth again cancels out.
 */
export function keepChannelsLast(graph: Graph): Graph {
  const b = new GraphBuilder({ source: graph });
  const layouts = trackLayouts(b, graph);
  for (const { name, type, shape } of graph.inputs) b.input(name, type, shape);
  for (const [name, value] of graph.initializers) b.adoptConstant(name, value);
  for (const node of graph.nodes) {
    const [input, output] = [node.inputs[0]!, node.outputs[0]!];
    const known = node.inputs.flatMap((name) => layouts.get(name) ?? []);
    const { rank, name: last } = known[0] ?? { rank: 0, name: "" };
    const way = wayOf(node, known.length > 0);
    if (way?.to === "last") {
      b.alias(output, layouts.last(input, way.rank));
    } else if (way?.to === "first") {
      layouts.first(input);
      layouts.holdBack(output, { name: input, rank: way.rank });
    } else if (known.length > 0 && isProductOfEach(node)) {
      layouts.produce(node, [layouts.last(input, rank), layouts.last(node.inputs[1]!, rank)], rank);
    } else if (known.length === 2 && node.opType === "Add") {
      layouts.produce(node, [known[0]!.name, known[1]!.name], rank);
    } else if (known.length > 0 && isCopy(graph, node)) {
      layouts.produce(node, [last, node.inputs[1]!], rank);
    } else if (known.length > 0 && sumsPlaces(graph, node, rank)) {
      b.adopt({ ...node, inputs: [last, b.constant("axes", int64([...Array(rank - 1).keys()]))] });
    } else {
      for (const value of operands(node)) layouts.first(value);
      b.adopt(node);
      // A convolution lays channels out as it likes: a transposition on either side becomes part of that.
      if (node.opType === "Conv" && layouts.get(input)) layouts.last(output, rank);
    }
  }
  for (const { name, ...info } of graph.outputs) {
    layouts.first(name);
    b.output(name, info);
  }
  return b.build(graph.name);
}

/** Which way a transposition leads. Of three axes both are the same permutation: it cancels out where it can, else it is held back. */
function wayOf(node: Node, known: boolean): { to: "first" | "last"; rank: number } | null {
  const perm = node.opType === "Transpose" ? attribute(node, "perm", "ints", []) : [];
  const rank = perm.length;
  if (rank < 3) return null;
  if (same(perm, channelsLast(rank)) && (known || rank > 3)) return { to: "last", rank };
  return same(perm, channelsFirst(rank)) ? { to: "first", rank } : null;
}

/** A value's counterpart in [N, …, C]. */
interface Counterpart {
  name: ValueName;
  rank: number;
}

/** Which values exist in which layout; what is asked for in the other one is brought into it once. */
function trackLayouts(b: GraphBuilder, graph: Graph) {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const counterparts = new Map<ValueName, Counterpart>();
  const heldBack = new Set<ValueName>();

  const holdBack = (value: ValueName, counterpart: Counterpart): void => {
    counterparts.set(value, counterpart);
    heldBack.add(value);
  };
  /** Makes sure that the value exists as the graph has it. */
  const first = (value: ValueName): void => {
    if (!heldBack.delete(value)) return;
    const { name, rank } = counterparts.get(value)!;
    b.adopt(transposition(value, name, channelsFirst(rank)));
  };
  const last = (value: ValueName, rank: number): ValueName => {
    const known = counterparts.get(value);
    if (known) return known.name;
    const name = b.fresh(`${value}_last`);
    const producer = producers.get(value);
    const moving = producer ? operandsOfEach(producer, producers) : [];
    if (producer && moving.length > 0) {
      const inputs = producer.inputs.map((input, at) => (moving.includes(at) ? last(input, rank) : input));
      b.adopt({ ...producer, name, inputs, outputs: [name] });
    } else {
      b.adopt(transposition(name, value, channelsLast(rank)));
    }
    counterparts.set(value, { name, rank });
    return name;
  };
  const produce = (node: Node, inputs: ValueName[], rank: number): void => {
    const name = b.fresh(`${node.name}_last`);
    b.adopt({ ...node, name, inputs, outputs: [name] });
    holdBack(node.outputs[0]!, { name, rank });
  };
  return { get: (value: ValueName) => counterparts.get(value), holdBack, first, last, produce };
}

/** Of the parts of a clip mask: which operands are of the output's shape; of anything else none. @see quantize */
function operandsOfEach({ opType, inputs }: Node, producers: ReadonlyMap<ValueName, Node>): readonly number[] {
  if (opType === "Cast" || opType === "Clip") return [0];
  const other = producers.get(inputs[1] ?? "");
  return opType === "Equal" && other?.opType === "Clip" && other.inputs[0] === inputs[0] ? [0, 1] : [];
}

const isProductOfEach = (node: Node): boolean =>
  node.opType === "DequantizeLinear" && attribute(node, "block_size", "int", 0) === 1;

/** A Reshape that takes over all sizes. */
const isCopy = (graph: Graph, node: Node): boolean =>
  node.opType === "Reshape" &&
  [...(graph.initializers.get(node.inputs[1]!)?.data ?? [1])].every((size) => Number(size) === 0);

const sumsPlaces = (graph: Graph, node: Node, rank: number): boolean => {
  if (node.opType !== "ReduceSum" || attribute(node, "keepdims", "int", 1) !== 0) return false;
  const axes = [...(graph.initializers.get(node.inputs[1] ?? "")?.data ?? [])].map(Number);
  return same(
    axes,
    [0, ...Array(rank).keys()].filter((axis, at) => at === 0 || axis >= 2),
  );
};

const same = (a: readonly number[], b: readonly number[]): boolean => a.join() === b.join();

const transposition = (output: ValueName, input: ValueName, perm: readonly number[]): Node => ({
  name: output,
  opType: "Transpose",
  domain: "",
  inputs: [input],
  outputs: [output],
  attributes: { perm: { kind: "ints", value: perm } },
});
