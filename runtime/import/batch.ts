import { rewriteGraph } from "../normalize/rewriting.ts";
import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { int64, type Tensor } from "../onnx/tensor.ts";
import { inferTypes, type ValueTypes } from "../shapes/infer.ts";

/** The batch of everything that Lichen writes. */
export const BATCH = "N";

/**
 * A graph whose batch may vary, under the one name that it has here. Exporters that were shown a fixed batch write it into the targets
 * of Reshapes, the sizes of Resizes, and constants that others are joined to: each of these is mended. What is overlooked fails in
 * `check.ts`, which compares batches of several sizes.
 * @param graph normalized
 */
export function openBatch(graph: Graph): Graph {
  const input = graph.inputs[0]!;
  const batch = input.shape[0];
  const opened: Graph = { ...graph, inputs: [{ ...input, shape: [BATCH, ...input.shape.slice(1)] }] };
  if (typeof batch !== "number") return opened;
  const fixed: FixedBatch = { batch, types: inferTypes(graph), batched: batchedValues(graph), input: input.name };
  return rewriteGraph(opened, ({ opType }) => (node, { builder, constant }) => {
    const mend = Object.hasOwn(MENDS, opType) ? MENDS[opType] : undefined;
    return mend?.(node, { ...fixed, builder, constant }) ?? node;
  });
}

/** What was known as long as the batch was fixed. */
interface FixedBatch {
  batch: number;
  types: ValueTypes;
  /** Values that hold a sample in each row. */
  batched: ReadonlySet<ValueName>;
  input: ValueName;
}

interface MendContext extends FixedBatch {
  builder: GraphBuilder;
  constant(value: ValueName): Tensor | undefined;
}

/** A node without the fixed batch in it, or `null` where there is none. */
type Mend = (node: Node, context: MendContext) => Node | null;

const MENDS: Readonly<Record<string, Mend>> = {
  /** [1, 1024] → [−1, 1024]; where −1 stands elsewhere already, 0 keeps the batch. */
  Reshape(node, { batched, types, batch, builder, constant }) {
    const [x, target] = node.inputs as [ValueName, ValueName];
    const sizes = sizesOf(constant(target));
    if (!batched.has(x) || !sizes || sizes.length < 2 || sizes[0]! <= 0) return null;
    const open = sizes.includes(-1);
    if (
      open &&
      (sizes[0] !== batch || types.get(x)?.shape[0] !== batch || attribute(node, "allowzero", "int", 0) === 1)
    )
      return null;
    return withInput(node, 1, builder.constant(`${target}_batch`, int64(sizes.with(0, open ? 0 : -1))));
  },

  /** Sizes of the last two axes alone. */
  Resize(node, { batched, builder, constant }) {
    const [x, , , target] = node.inputs as [ValueName, ValueName?, ValueName?, ValueName?];
    const sizes = sizesOf(constant(target ?? ""));
    if (!batched.has(x) || sizes?.length !== 4 || node.attributes.axes) return null;
    const spatial = builder.constant(`${target}_spatial`, int64(sizes.slice(2)));
    return {
      ...withInput(node, 3, spatial),
      attributes: { ...node.attributes, axes: { kind: "ints", value: [2, 3] } },
    };
  },

  /** Broadcasting over the batch needs no size. */
  Expand(node, { batched, batch, builder, constant }) {
    const [x, target] = node.inputs as [ValueName, ValueName];
    const sizes = sizesOf(constant(target));
    if (!batched.has(x) || !sizes || sizes[0] !== batch || batch === 1) return null;
    return withInput(node, 1, builder.constant(`${target}_batch`, int64(sizes.with(0, 1))));
  },

  /** Without axes, the batch of one goes too. */
  Squeeze(node, { batched, types, builder }) {
    const [x, axes] = node.inputs as [ValueName, ValueName?];
    const shape = types.get(x)?.shape;
    if (!batched.has(x) || axes || !shape) return null;
    const ones = [...shape.keys()].filter((axis) => axis > 0 && shape[axis] === 1);
    return { ...node, inputs: [x, builder.constant(`${node.name}_axes`, int64(ones))] };
  },

  /** A constant that is joined to every sample, such as a class token, once for each. */
  Concat(node, { batched, types, batch, builder, input }) {
    const axis = attribute(node, "axis", "int");
    const lone = node.inputs.filter((name) => !batched.has(name) && types.get(name)?.shape[0] === batch);
    if (axis <= 0 || lone.length === 0 || lone.length === node.inputs.length) return null;
    const inputs = node.inputs.map((name) => {
      if (!lone.includes(name)) return name;
      const rest = types.get(name)!.shape.slice(1) as number[];
      const rows = builder.add("Shape", [input], { start: 0, end: 1 }, `${node.name}_batch`);
      const target = builder.add("Concat", [rows, builder.constant(`${node.name}_rest`, int64(rest))], { axis: 0 });
      return builder.add("Expand", [name, target], {}, `${node.name}_each`);
    });
    return { ...node, inputs };
  },
};

/** What is computed of the input, but for sizes. */
function batchedValues(graph: Graph): Set<ValueName> {
  const batched = new Set([graph.inputs[0]!.name]);
  for (const { opType, inputs, outputs } of graph.nodes) {
    if (opType === "Shape" || opType === "Size" || !inputs.some((name) => batched.has(name))) continue;
    for (const name of outputs) batched.add(name);
  }
  return batched;
}

const sizesOf = (value: Tensor | undefined): number[] | null =>
  value?.type === "int64" && value.dims.length === 1 ? Array.from<number | bigint, number>(value.data, Number) : null;

const withInput = (node: Node, at: number, name: ValueName): Node => ({ ...node, inputs: node.inputs.with(at, name) });
