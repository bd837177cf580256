import { attribute } from "../onnx/attributes.ts";
import { GraphBuilder } from "../onnx/builder.ts";
import type { Dim, Graph, Node, ValueName } from "../onnx/graph.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { operands } from "../onnx/topological.ts";
import { inferTypes } from "../shapes/infer.ts";
import { type AxisOrders, columnOrder, inverted, isIdentity, trackOrders } from "./axis-orders.ts";
import { AXIS_RULES, longSizes } from "./axis-rules.ts";
import { prune } from "./prune.ts";

/**
 * A network written for the layout [N, …, C], with a Transpose on either side of every spatial operator, in the layout [N, C, …] that
 * ONNX means: the same numbers, with as few Transposes as can be.
 *
 * Transposes are held back, and what works on any order of axes works behind them: each element by itself, sums and
 * concatenations, quantizers, means, slices. A Transpose that leads back cancels out. One that only moves axes of size one is a Reshape.
 * Features that are laid flat stay in the order they are computed in, and the columns of the next product's weight take that order. Where
 * nothing of this applies, the axes are brought into order.
 *
 * @throws UNSUPPORTED_OPERATOR, NO_SHAPE where a shape is not known
 */
export function cancelTransposes(graph: Graph): Graph {
  const b = new GraphBuilder({ source: { ...graph, nodes: graph.nodes.map(withoutOwnName) } });
  const orders = trackOrders(b, graph, inferTypes(graph));
  for (const { name, type, shape } of graph.inputs) b.input(name, type, shape);
  for (const [name, value] of graph.initializers) b.adoptConstant(name, value);
  for (const node of graph.nodes) if (!behindTransposes(node, orders)) readAll(node, orders);
  for (const { name, ...info } of graph.outputs) {
    const value = orders.read(name);
    if (value !== name) b.alias(name, value);
    b.output(name, info);
  }
  return restoreNames(prune(b.build(graph.name)), graph, orders);
}

/** Transposes are made anew, and one that has to stay may be called what it was: twice through here is as good as once. */
const withoutOwnName = (node: Node): Node =>
  node.domain === "" && node.opType === "Transpose" ? { ...node, name: node.outputs[0]! } : node;

function readAll(node: Node, orders: AxisOrders): void {
  const inputs = node.inputs.map((value) => (value === "" ? "" : orders.read(value)));
  // What a subgraph captures keeps its name.
  for (const value of operands(node).filter((name) => !node.inputs.includes(name))) {
    const there = orders.read(value);
    if (there !== value && !orders.b.has(value)) orders.b.alias(value, there);
  }
  orders.emit({ ...node, inputs });
}

/** Whether the node could do its work without any axes being brought into order. */
function behindTransposes(node: Node, orders: AxisOrders): boolean {
  if (node.domain !== "") return false;
  if (node.opType === "Transpose") return heldBack(node, orders);
  const flat = node.inputs.find((value) => orders.columns(value));
  if (flat !== undefined) return onColumns(node, orders);
  const leading = node.inputs
    .flatMap((value) => orders.reordered(value) ?? [])
    .filter(({ perm }) => !isIdentity(perm))
    .sort((a, b) => b.perm.length - a.perm.length)[0];
  if (!leading) return false;
  if (RESHAPES.has(node.opType)) return reshaped(node, orders);

  const rule = Object.hasOwn(AXIS_RULES, node.opType) ? AXIS_RULES[node.opType] : undefined;
  const moved = rule?.(node, leading.perm, orders);
  if (!moved) return false;
  const outputs = node.outputs.map((value) => written(value, moved.perm, orders));
  orders.emit({
    ...node,
    inputs: [...moved.inputs],
    outputs,
    ...(moved.attributes && { attributes: moved.attributes }),
  });
  return true;
}

/** The name to write a value by that comes out in another order. */
function written(value: ValueName, perm: readonly number[], orders: AxisOrders): ValueName {
  if (value === "" || isIdentity(perm)) return value;
  const source = orders.b.fresh(`${value}${MOVED}`);
  orders.hold(value, { source, perm });
  return source;
}

const MOVED = "_moved";

function heldBack(node: Node, orders: AxisOrders): boolean {
  const [value, output] = [node.inputs[0]!, node.outputs[0]!];
  const rank = orders.shape(value).length;
  const perm = attribute(node, "perm", "ints", inverted([...Array(rank).keys()].reverse()));
  const known = orders.reordered(value);
  const source = known ? known.source : orders.read(value);
  orders.hold(output, { source, perm: known ? perm.map((axis) => known.perm[axis]!) : perm });
  return true;
}

const RESHAPES: ReadonlySet<string> = new Set(["Reshape", "Flatten", "Squeeze", "Unsqueeze"]);

function reshaped(node: Node, orders: AxisOrders): boolean {
  const [value, output] = [node.inputs[0]!, node.outputs[0]!];
  const { source, perm } = orders.reordered(value) ?? { source: value, perm: [] };
  const [from, to] = [orders.shape(value), orders.shape(output)];
  if (perm.length === 0 || to.filter((dim) => typeof dim !== "number").length > 1) return false;
  const laidOut = withOnes(from, to, perm);
  if (laidOut) {
    const target = laidOut.map((axis) => to[axis]!);
    const name = written(output, inverted(laidOut), orders);
    orders.reshape(source, target, node.name, name);
    return true;
  }
  // Only ones moved: the elements lie as they are.
  const isStraight = perm
    .filter((_, axis) => from[axis] !== 1)
    .every((axis, at, all) => at === 0 || axis > all[at - 1]!);
  if (isStraight) {
    orders.reshape(source, to, node.name, output);
    return true;
  }
  const inner = inverted(perm)
    .map((axis) => from[axis]!)
    .slice(1);
  if (to.length !== 2 || to[0] !== from[0] || perm[0] !== 0 || !inner.every((dim) => typeof dim === "number"))
    return false;
  const flat = orders.b.fresh(`${output}${MOVED}`);
  orders.reshape(source, to, node.name, flat);
  orders.holdColumns(output, { source: flat, dims: inner as number[], perm });
  return true;
}

/**
 * For a Reshape that only adds or takes away axes of one: the axes of its output in the order that the source has them; null for any
 * other Reshape.
 */
function withOnes(from: readonly Dim[], to: readonly Dim[], perm: readonly number[]): number[] | null {
  if (longSizes(from).join() !== longSizes(to).join()) return null;
  const long = (shape: readonly Dim[]) => [...shape.keys()].filter((axis) => shape[axis] !== 1);
  const places = long(from).map((axis) => perm[axis]!);
  const sorted = long(to)
    .map((axis, at) => ({ axis, place: places[at]! }))
    .sort((a, b) => a.place - b.place)
    .map(({ axis }) => axis);
  const isStraight = sorted.every((axis, at) => at === 0 || axis > sorted[at - 1]!);
  return isStraight ? [...to.keys()] : [...sorted, ...[...to.keys()].filter((axis) => to[axis] === 1)];
}

/** Features in another order of columns: passed on element by element, and taken in by the next product's weight. */
function onColumns(node: Node, orders: AxisOrders): boolean {
  const at = node.inputs.findIndex((value) => orders.columns(value));
  const columns = orders.columns(node.inputs[at]!)!;
  const order = columnOrder(columns);
  const [value, output] = [node.inputs[at]!, node.outputs[0]!];
  const rows = (weight: ValueName, axis: number) =>
    orders.rewritten(
      weight,
      `${columns.dims}:${columns.perm}:${axis}`,
      (w) => inColumns(w, axis, order),
      (same) => same,
    );

  if (node.opType === "Gemm" || node.opType === "MatMul") {
    const [x, weight, ...bias] = node.inputs as [ValueName, ValueName];
    const isPlain = attribute(node, "transA", "int", 0) === 0 && orders.shape(weight).length === 2;
    const axis = attribute(node, "transB", "int", 0) === 0 ? 0 : 1;
    const reordered = at === 0 && isPlain && !bias.some((name) => orders.columns(name)) ? rows(weight, axis) : null;
    if (x !== value || reordered === null) return false;
    orders.emit({ ...node, inputs: [columns.source, reordered, ...bias.map(orders.read)] });
    return true;
  }
  const isSame = orders.shape(value).join() === orders.shape(output).join();
  if (!isSame || node.outputs.length > 1 || !(node.opType in AXIS_RULES || RESHAPES.has(node.opType))) return false;
  if (COLUMNS_TOGETHER.has(node.opType)) return false;
  const others = RESHAPES.has(node.opType) ? [] : node.inputs.slice(1);
  const inputs = [value, ...others].map((name, place) => {
    if (place === 0 ? at === 0 : name === value) return columns.source;
    return name;
  });
  if (at !== 0 || others.some((name) => name !== "" && (orders.constant(name)?.data.length ?? 2) !== 1)) return false;
  const name = orders.b.fresh(`${output}${MOVED}`);
  const isReshape = RESHAPES.has(node.opType);
  orders.emit({ ...node, ...(isReshape && { opType: "Identity", attributes: {} }), inputs, outputs: [name] });
  orders.holdColumns(output, { ...columns, source: name });
  return true;
}

/** What is not done to each column by itself. */
const COLUMNS_TOGETHER: ReadonlySet<string> = new Set(["Concat", "Gather", "Pad", "Slice", "Split"]);

/** Slice k of a matrix, along an axis, goes to place order[k]. */
function inColumns(matrix: Tensor, axis: number, order: readonly number[]): Tensor {
  const data = matrix.data.slice();
  const [rows, columns] = matrix.dims as [number, number];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const to = axis === 0 ? order[row]! * columns + column : row * columns + order[column]!;
      data[to] = matrix.data[row * columns + column]!;
    }
  }
  return { ...matrix, data };
}

/** Values that are only there in another order keep the names that the graph had for them. */
function restoreNames(graph: Graph, before: Graph, orders: AxisOrders): Graph {
  const there = new Set([
    ...graph.inputs.map(({ name }) => name),
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap(({ outputs }) => outputs),
  ]);
  const names = new Map(
    before.nodes.flatMap(({ outputs }) =>
      outputs.flatMap((value) => {
        const source = orders.reordered(value)?.source ?? orders.columns(value)?.source;
        return source?.startsWith(`${value}${MOVED}`) && !there.has(value) ? [[source, value] as const] : [];
      }),
    ),
  );
  const renamed = (name: ValueName) => names.get(name) ?? name;
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map(renamed),
    outputs: node.outputs.map(renamed),
  }));
  return { ...graph, nodes };
}
