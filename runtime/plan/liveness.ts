import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { ELEMENTS } from "../onnx/tensor.ts";
import { operands } from "../onnx/topological.ts";
import { sizeOf } from "../shapes/dims.ts";
import type { ValueTypes } from "../shapes/infer.ts";
import type { ValueType } from "../shapes/rule.ts";

/*
 * What ONNX Runtime holds while it runs a graph once, node by node: which buffers it makes, which it writes over, and when it lets
 * go of them. As its sequential executor and allocation planner decide it (onnxruntime/core/graph/graph_viewer.cc and
 * core/framework/allocation_planner.cc of 1.20 and later).
 */

/** A buffer of a run: made before the node at `from`, let go of behind the one at `to`. */
export interface Buffer {
  bytes: number;
  from: number;
  to: number;
}

/**
 * The nodes as they will be executed: backwards and depth first from the last of those that nobody reads, and each behind all that it
 * reads, of which those that stand later in the graph go first.
 */
export function executionOrder(graph: Graph): Node[] {
  const producers = new Map<ValueName, number>();
  const read = new Set<ValueName>();
  graph.nodes.forEach((node, index) => {
    for (const output of node.outputs) producers.set(output, index);
    for (const name of operands(node)) read.add(name);
  });
  const ends = [...graph.nodes.keys()].filter((index) => !graph.nodes[index]!.outputs.some((name) => read.has(name)));
  const order: Node[] = [];
  const visited = new Set<number>();
  const stack = ends.map((index) => ({ index, leaving: false }));
  while (stack.length > 0) {
    const { index, leaving } = stack.pop()!;
    const node = graph.nodes[index]!;
    if (leaving) order.push(node);
    if (leaving || visited.has(index)) continue;
    visited.add(index);
    stack.push({ index, leaving: true });
    const before = new Set(operands(node).flatMap((name) => producers.get(name) ?? []));
    for (const next of [...before].sort((a, b) => a - b))
      if (!visited.has(next)) stack.push({ index: next, leaving: false });
  }
  return order;
}

/**
 * Operators whose answer may take the place of their first operand, when nobody else reads that and the sizes agree. Arithmetic is
 * not among them: its kernels always write into another buffer.
 */
const IN_PLACE: ReadonlySet<string> = new Set([
  "Cast",
  "Clip",
  "Elu",
  "HardSigmoid",
  "LeakyRelu",
  "Relu",
  "ScatterElements",
  "ScatterND",
  "Sigmoid",
  "Tanh",
]);

/** What a kernel holds beside its operands and answers, while it works. */
function scratchBytes(node: Node, types: ValueTypes, sizes: LivenessOptions["sizes"]): number[] {
  if (node.opType === "Conv") return [CONVOLUTION_SCRATCH];
  const output = bytesOf(types.get(node.outputs[0]!)!, sizes);
  // Where copies what it takes from either side, and then joins the two.
  return node.opType === "Where" ? [output, output] : [];
}

/** A strip of unfolded pixels for one thread. */
const CONVOLUTION_SCRATCH = 64 * 1024;

/** Operators that only look at their operand in another way. */
const ALIASES: ReadonlySet<string> = new Set(["Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Dropout"]);

export interface LivenessOptions {
  /** Sizes that the symbols of shapes stand for. */
  sizes: Readonly<Record<string, number>>;
  /** Values that live around the run and are not counted: its inputs and constants, those that are only passed on. */
  held: ReadonlySet<ValueName>;
}

/** All buffers of a run of the nodes in this order. */
export function buffersOf(graph: Graph, order: readonly Node[], types: ValueTypes, options: LivenessOptions): Buffer[] {
  const readers = new Map<ValueName, number>();
  for (const node of order) for (const name of operands(node)) readers.set(name, (readers.get(name) ?? 0) + 1);
  const results = new Set(graph.outputs.map(({ name }) => name));
  const end = order.length;

  interface Open extends Buffer {
    left: number;
    type: ValueType;
    shapeKnown: boolean;
  }
  const all: Open[] = [];
  const bufferOf = new Map<ValueName, Open>();
  let free: Open[] = [];
  const vague = vagueShapes(order, types);

  const matches = (buffer: Open, name: ValueName) => {
    const type = types.get(name)!;
    return (
      buffer.shapeKnown &&
      !vague.has(name) &&
      ELEMENTS[buffer.type.type].BYTES_PER_ELEMENT === ELEMENTS[type.type].BYTES_PER_ELEMENT &&
      buffer.type.shape.join() === type.shape.join()
    );
  };

  order.forEach((node, at) => {
    for (const [place, name] of node.outputs.entries()) {
      if (name === "" || options.held.has(name)) continue;
      const uses = readers.get(name) ?? 0;
      const source = place === 0 ? reusableInput(node, name) : undefined;
      if (source && !results.has(name)) {
        source.left += uses;
        bufferOf.set(name, source);
        continue;
      }
      const dead = results.has(name)
        ? undefined
        : free.find((buffer) => buffer.type.shape.length > 0 && matches(buffer, name));
      if (dead) {
        free = free.filter((buffer) => buffer !== dead);
        dead.left = uses;
        bufferOf.set(name, dead);
        continue;
      }
      const made: Open = {
        bytes: bytesOf(types.get(name)!, options.sizes),
        from: at,
        to: results.has(name) ? end : at,
        left: results.has(name) ? Number.POSITIVE_INFINITY : uses,
        type: types.get(name)!,
        shapeKnown: !vague.has(name),
      };
      all.push(made);
      bufferOf.set(name, made);
    }
    for (const bytes of scratchBytes(node, types, options.sizes)) {
      const type = types.get(node.outputs[0]!)!;
      all.push({ bytes, from: at, to: at, left: 0, type, shapeKnown: false });
    }
    for (const name of [...operands(node), ...node.outputs.filter((output) => !readers.has(output))]) {
      const buffer = bufferOf.get(name);
      if (!buffer) continue;
      if (buffer.left !== Number.POSITIVE_INFINITY) buffer.to = at;
      if (readers.has(name)) buffer.left -= 1;
      if (buffer.left === 0) free.unshift(buffer);
    }
  });
  return all;

  function reusableInput(node: Node, output: ValueName): Open | undefined {
    if (ALIASES.has(node.opType)) return bufferOf.get(node.inputs[0]!);
    const buffer = IN_PLACE.has(node.opType) ? bufferOf.get(node.inputs[0]!) : undefined;
    return buffer && buffer.left === 1 && matches(buffer, output) ? buffer : undefined;
  }
}

/**
 * Values of whose shape ONNX Runtime's own inference loses the batch, behind a Reshape that leaves a size to be inferred. Only where it
 * knows that two sizes agree does it write into a buffer again.
 */
function vagueShapes(order: readonly Node[], types: ValueTypes): Set<ValueName> {
  const vague = new Set<ValueName>();
  for (const node of order) {
    const decisive = OF_FIRST_OPERAND.has(node.opType) ? node.inputs.slice(0, 1) : operands(node);
    const inferred = node.opType === "Reshape" && types.get(node.inputs[1]!)?.known?.includes(-1);
    const doubtful = inferred || decisive.some((name) => vague.has(name));
    for (const name of node.outputs) if (doubtful && name && !isFixed(types.get(name)!)) vague.add(name);
  }
  // With its channels last, no other value has this one's shape.
  for (const { opType, outputs } of order) if (opType === "QLinearConv") vague.add(outputs[0]!);
  return vague;
}

/** Operators whose other operands have no part in the shape of the answer, for all that ONNX infers. */
const OF_FIRST_OPERAND: ReadonlySet<string> = new Set(["DequantizeLinear", "QuantizeLinear", "Clip", "PRelu"]);

const isFixed = ({ shape }: ValueType): boolean => shape.every((dim) => typeof dim === "number");

export const bytesOf = ({ type, shape }: ValueType, sizes: Readonly<Record<string, number>>): number =>
  shape.reduce<number>((product, dim) => product * sizeOf(dim, sizes), ELEMENTS[type].BYTES_PER_ELEMENT);

/** Most bytes that are held at once. */
export function peakBytes(buffers: readonly Buffer[]): number {
  const last = Math.max(0, ...buffers.map(({ to }) => to));
  const changes = new Float64Array(last + 2);
  for (const { bytes, from, to } of buffers) {
    changes[from]! += bytes;
    changes[to + 1]! -= bytes;
  }
  let [held, most] = [0, 0];
  for (const change of changes) {
    held += change;
    most = Math.max(most, held);
  }
  return most;
}
