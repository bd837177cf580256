import type { GraphBuilder } from "../onnx/builder.ts";
import type { Dim, Graph, Node, ValueName } from "../onnx/graph.ts";
import { elementCount, int64, type Tensor } from "../onnx/tensor.ts";
import { transposeTensor } from "../onnx/transpose.ts";
import type { ValueTypes } from "../shapes/infer.ts";

/** A value that is computed with its axes in another order: value = Transpose(source, perm). */
export interface Reordered {
  source: ValueName;
  perm: readonly number[];
}

/** Features [N, K] whose columns are computed in another order: value = Flatten(Transpose(Reshape(source, dims), perm)). */
export interface Columns extends Reordered {
  /** Of the source before it was laid flat, without the batch; `perm` counts the batch. */
  dims: readonly number[];
}

/** Which values of a graph are computed in another order than the graph has them, and how whoever needs them gets them. */
export interface AxisOrders {
  readonly b: GraphBuilder;
  shape(value: ValueName): readonly Dim[];
  constant(value: ValueName): Tensor | undefined;
  reordered(value: ValueName): Reordered | undefined;
  columns(value: ValueName): Columns | undefined;
  /** The name that the value itself can be read by; brings its axes into order where they are not. */
  read(value: ValueName): ValueName;
  /** The value with its axes so that Transpose(result, perm) is the value; broadcasting where its rank is lower. */
  inOrder(value: ValueName, perm: readonly number[]): ValueName | null;
  emit(node: Node): void;
  /** What a node writes stands in `source`, in this order. */
  hold(value: ValueName, reordered: Reordered): void;
  holdColumns(value: ValueName, columns: Columns): void;
  /** A constant as it is, or behind its DequantizeLinear, changed; `axis` says where an axis of the scales goes. */
  rewritten(
    value: ValueName,
    key: string,
    change: (constant: Tensor) => Tensor,
    axis: (axis: number) => number,
  ): ValueName | null;
  reshape(from: ValueName, shape: readonly Dim[], name: string, output?: ValueName): ValueName;
}

export function trackOrders(b: GraphBuilder, graph: Graph, types: ValueTypes): AxisOrders {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const reordered = new Map<ValueName, Reordered>();
  const columns = new Map<ValueName, Columns>();
  const made = new Map<string, ValueName>();
  const once = (key: string, make: () => ValueName): ValueName => {
    const known = made.get(key) ?? make();
    made.set(key, known);
    return known;
  };
  const shape = (value: ValueName) => types.get(value)!.shape;
  const constant = (value: ValueName) => graph.initializers.get(value);
  const dequantizers = new Map<ValueName, Node>();
  const emit = (node: Node): void => {
    b.adopt(node);
    if (node.opType === "DequantizeLinear" && !constant(node.inputs[0]!)) dequantizers.set(node.outputs[0]!, node);
  };

  const reshape = (from: ValueName, to: readonly Dim[], name: string, output = b.fresh(name)): ValueName => {
    const symbols = to.filter((dim) => typeof dim !== "number").length;
    const target = to.map((dim, axis) => (typeof dim === "number" ? dim : symbols > 1 && axis === 0 ? 0 : -1));
    const dims = b.constant(`${name}_dims`, int64(target));
    emit({
      name: b.fresh(`${output}_reshape`),
      opType: "Reshape",
      domain: "",
      inputs: [from, dims],
      outputs: [output],
      attributes: {},
    });
    return output;
  };

  /** Transpose(from, perm), of a result of the given shape; what only moves axes of one is no transposition. */
  const transpose = (from: ValueName, perm: readonly number[], to: readonly Dim[], output: ValueName): ValueName => {
    const long = perm.filter((_, axis) => to[axis] !== 1);
    const symbols = to.filter((dim) => typeof dim !== "number").length;
    if (isAscending(long) && symbols < 2) return reshape(from, to, output, output);
    const attributes = { perm: { kind: "ints", value: perm } } as const;
    emit({
      name: b.fresh(`${output}_transpose`),
      opType: "Transpose",
      domain: "",
      inputs: [from],
      outputs: [output],
      attributes,
    });
    return output;
  };

  /** The same behind a DequantizeLinear gets quantizers of its own, so that an integer kernel finds one in front of it. */
  const transposeReal = (
    from: ValueName,
    perm: readonly number[],
    to: readonly Dim[],
    output: ValueName,
  ): ValueName => {
    const dequantize = dequantizers.get(from);
    const [, scale, zeroPoint] = dequantize?.inputs ?? [];
    if (!dequantize || !scale || !zeroPoint || constant(scale)?.data.length !== 1)
      return transpose(from, perm, to, output);
    const real = transpose(from, perm, to, b.fresh(`${output}_ordered`));
    const [quantizer, again] = ["quantizer", "dequantizer"].map((part) => b.fresh(`${output}_${part}`)) as [
      string,
      string,
    ];
    const quantize = { ...dequantize, opType: "QuantizeLinear", name: quantizer, outputs: [quantizer] };
    emit({ ...quantize, inputs: [real, scale, zeroPoint] });
    emit({ ...dequantize, name: again, inputs: [quantizer, scale, zeroPoint], outputs: [output] });
    return output;
  };

  const read = (value: ValueName): ValueName => {
    const [order, flat] = [reordered.get(value), columns.get(value)];
    if (order && isIdentity(order.perm)) return order.source;
    if (order) return once(value, () => transposeReal(order.source, order.perm, shape(value), value));
    if (!flat) return value;
    return once(value, () => {
      const batch = shape(value)[0]!;
      const laid = transposeReal(flat.source, [0, 1], [batch, ...flat.dims], b.fresh(`${value}_places`));
      const to = flat.perm.map((axis) => (axis === 0 ? batch : flat.dims[axis - 1]!));
      const ordered = transposeReal(laid, flat.perm, to, b.fresh(`${value}_ordered`));
      return transposeReal(ordered, [0, 1], shape(value), value);
    });
  };

  const rewritten: AxisOrders["rewritten"] = (value, key, change, axisTo) => {
    const direct = constant(value);
    if (direct) return once(`${value}:${key}`, () => b.constant(value, change(direct)));
    const node = producers.get(value);
    const codes = node?.opType === "DequantizeLinear" ? constant(node.inputs[0]!) : undefined;
    if (!node || !codes || node.attributes.block_size) return null;
    return once(`${value}:${key}`, () => {
      const output = b.fresh(value);
      const changed = b.constant(node.inputs[0]!, change(codes));
      const { axis } = node.attributes;
      const front = axis?.kind === "int" ? axis.value + (axis.value < 0 ? codes.dims.length : 0) : 1;
      const attributes = axis ? { axis: { kind: "int", value: axisTo(front) } as const } : {};
      emit({ ...node, name: output, inputs: [changed, ...node.inputs.slice(1)], outputs: [output], attributes });
      return output;
    });
  };

  const inOrder = (value: ValueName, perm: readonly number[]): ValueName | null => {
    const dims = shape(value);
    if (dims.every((dim) => dim === 1) && dims.length <= perm.length && !reordered.has(value)) return read(value);
    const rank = perm.length;
    const inverse = inverted(perm);
    const padded = [...Array(Math.max(0, rank - dims.length)).fill(1), ...dims] as Dim[];
    if (padded.length > rank) return null;
    const ahead = rank - dims.length;
    const fixed = rewritten(
      value,
      perm.join(),
      (c) => transposeTensor({ ...c, dims: [...Array(ahead).fill(1), ...c.dims] }, inverse),
      (axis) => perm[axis + ahead]!,
    );
    if (fixed) return fixed;
    const known = reordered.get(value);
    if (ahead === 0 && known?.perm.join() === perm.join()) return known.source;
    const sourceShape = inverse.map((axis) => padded[axis]!);
    if (ahead === 0 && known) {
      const way = inverse.map((axis) => known.perm[axis]!);
      return once(`${value}:${perm}`, () => transposeReal(known.source, way, sourceShape, b.fresh(`${value}_ordered`)));
    }
    return once(`${value}:${perm}`, () => {
      const itself = read(value);
      const wide = ahead === 0 ? itself : reshape(itself, padded, `${value}_wide`);
      return transposeReal(wide, inverse, sourceShape, b.fresh(`${value}_ordered`));
    });
  };

  return {
    b,
    shape,
    constant,
    reordered: (value) => reordered.get(value),
    columns: (value) => columns.get(value),
    read,
    inOrder,
    emit,
    hold: (value, order) => void reordered.set(value, order),
    holdColumns: (value, flat) => void columns.set(value, flat),
    rewritten,
    reshape,
  };
}

export const isIdentity = (perm: readonly number[]): boolean => perm.every((axis, at) => axis === at);

export const inverted = (perm: readonly number[]): number[] => perm.map((_, axis) => perm.indexOf(axis));

/** For each column of the value, which column of the source it is. */
export function columnOrder({ dims, perm }: Columns): number[] {
  const axes = perm.slice(1).map((axis) => axis - 1);
  const places = Int32Array.from({ length: elementCount(dims) }, (_, at) => at);
  return Array.from(transposeTensor({ type: "int32", dims, data: places }, axes).data, Number);
}

const isAscending = (axes: readonly number[]): boolean => axes.every((axis, at) => at === 0 || axis > axes[at - 1]!);
