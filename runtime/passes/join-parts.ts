import { GraphBuilder } from "../onnx/builder.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { concatRows, elementCount, gatherRows, int64, type Tensor } from "../onnx/tensor.ts";
import { operands } from "../onnx/topological.ts";

/**
 * Does to a whole vector, once, what is done to each of its parts: a network has a hundred biases, and each is rounded, bounded and
 * added to the base's own. A kernel is called in microseconds and rounds a hundred numbers in a fraction of one.
 *
 * Neighbouring outputs of a Split whose readers do the same, element by element and with constants alone, are split behind that. New names are made of the old
 * ones, since the graph around a loop's body may yet take any other.
 */
export function joinParts(graph: Graph): Graph {
  const readers = readersOf(graph);
  const b = new GraphBuilder({ source: graph });
  const done = new Set<Node>();
  for (const { name, type, shape } of graph.inputs) b.input(name, type, shape);
  for (const [name, value] of graph.initializers) b.adoptConstant(name, value);
  for (const node of graph.nodes) {
    const parts = partsOf(graph, node, readers);
    if (parts) for (const joined of splitLater(b, graph, node, parts)) done.add(joined);
    else if (!done.has(node)) b.adopt(node);
  }
  for (const { name, ...info } of graph.outputs) b.output(name, info);
  return b.build(graph.name);
}

/** A part of a vector, and what is done to each of its elements one after another. */
interface Part {
  value: ValueName;
  size: number;
  chain: readonly Node[];
}

type Readers = ReadonlyMap<ValueName, readonly (Node | null)[]>;

/** Each operator's result at a place depends on that place of its operands alone. */
const EACH_BY_ITSELF: ReadonlySet<string> = new Set(["Add", "Cast", "Clip", "Div", "Identity", "Mul", "Round", "Sub"]);

/** The parts of a vector that is split along its only axis into known sizes; null for any other node. */
function partsOf(graph: Graph, node: Node, readers: Readers): Part[] | null {
  const sizes = node.opType === "Split" ? graph.initializers.get(node.inputs[1] ?? "")?.data : undefined;
  const vector = graph.inputs.find(({ name }) => name === node.inputs[0])?.shape.length === 1;
  if (!sizes || !vector) return null;
  return node.outputs.map((value, at) => ({
    value,
    size: Number(sizes[at]),
    chain: chainFrom(graph, value, Number(sizes[at]), readers),
  }));
}

function chainFrom(graph: Graph, value: ValueName, size: number, readers: Readers): Node[] {
  const [reader, ...others] = readers.get(value) ?? [];
  if (!reader || others.length > 0 || !EACH_BY_ITSELF.has(reader.opType)) return [];
  const constants = reader.inputs.filter((name) => name !== value).map((name) => graph.initializers.get(name));
  if (reader.inputs.length - constants.length !== 1) return [];
  const fits = (constant: Tensor | undefined) => constant && [1, size].includes(elementCount(constant.dims));
  if (!constants.every((constant) => fits(constant) && constant!.dims.length <= 1)) return [];
  return [reader, ...chainFrom(graph, reader.outputs[0]!, size, readers)];
}

/** Replaces a Split by one behind what its parts have in common; returns the nodes that this did away with. */
function splitLater(b: GraphBuilder, graph: Graph, split: Node, parts: readonly Part[]): Node[] {
  const runs = runsOf(graph, parts);
  if (runs.length === parts.length) {
    b.adopt(split);
    return [];
  }
  const sizes = runs.map((run) => run.reduce((sum, { size }) => sum + size, 0));
  const vectors =
    runs.length === 1
      ? [split.inputs[0]!]
      : runs.map((run) => (run.length > 1 ? b.fresh(`${split.name}_run`) : run[0]!.value));
  if (runs.length > 1)
    b.adopt({ ...split, inputs: [split.inputs[0]!, b.constant(`${split.name}_runs`, int64(sizes))], outputs: vectors });
  return runs.flatMap((run, at) => {
    if (run.length === 1) return [];
    const joined = joinChain(b, graph, vectors[at]!, run);
    const pieces = b.constant(`${split.name}_sizes`, int64(run.map(({ size }) => size)));
    const outputs = run.map(({ chain }) => chain.at(-1)!.outputs[0]!);
    b.adopt({ ...split, name: b.fresh(`${split.name}_later`), inputs: [joined, pieces], outputs });
    return run.flatMap(({ chain }) => chain);
  });
}

/** Neighbours to which the same is done stand together. */
function runsOf(graph: Graph, parts: readonly Part[]): Part[][] {
  const runs: Part[][] = [];
  for (const part of parts) {
    const [before] = runs.at(-1) ?? [];
    if (before && part.chain.length > 0 && kindOf(graph, before) === kindOf(graph, part)) runs.at(-1)!.push(part);
    else runs.push([part]);
  }
  return runs;
}

/** What is done, whatever the numbers of each element. Bounds and other single numbers are part of it. */
const kindOf = (graph: Graph, { chain, value }: Part): string =>
  JSON.stringify(
    chain.map((node, at) => [
      node.opType,
      Object.entries(node.attributes),
      node.inputs.map((name) => (name === (chain[at - 1]?.outputs[0] ?? value) ? "part" : singleNumber(graph, name))),
    ]),
  );

const singleNumber = (graph: Graph, name: ValueName): string => {
  const { dims, data, type } = graph.initializers.get(name)!;
  return dims.length === 0 ? `${type} ${data[0]}` : type;
};

function joinChain(b: GraphBuilder, graph: Graph, vector: ValueName, run: readonly Part[]): ValueName {
  const [first] = run as [Part];
  return first.chain.reduce((value, node, at) => {
    if (node.opType === "Identity") return value;
    const before = first.chain[at - 1]?.outputs[0] ?? first.value;
    const inputs = node.inputs.map((name, operand) => {
      if (name === before) return value;
      if (graph.initializers.get(name)!.dims.length === 0) return name;
      const constants = run.map(({ chain, size }) =>
        repeated(graph.initializers.get(chain[at]!.inputs[operand]!)!, size),
      );
      return b.constant(`${name}_joined`, concatRows(constants));
    });
    const name = b.fresh(`${node.name}_joined`);
    b.adopt({ ...node, name, inputs, outputs: [name] });
    return name;
  }, vector);
}

/** One number for all elements, or one each: [1] or [size] → [size] */
const repeated = (constant: Tensor, size: number): Tensor =>
  constant.dims[0] === size ? constant : gatherRows(constant, Array<number>(size).fill(0));

/** Nodes that read each value; whoever runs the graph reads its outputs as well. */
function readersOf(graph: Graph): Map<ValueName, (Node | null)[]> {
  const readers = new Map<ValueName, (Node | null)[]>();
  const read = (name: ValueName, reader: Node | null) => readers.set(name, [...(readers.get(name) ?? []), reader]);
  for (const node of graph.nodes) for (const name of operands(node)) read(name, node);
  for (const { name } of graph.outputs) read(name, null);
  return readers;
}
