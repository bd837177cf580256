import { attribute } from "../onnx/attributes.ts";
import { elementOfCode } from "../onnx/elements.ts";
import type { Attribute, Graph, Node, ValueName } from "../onnx/graph.ts";
import {
  ELEMENTS,
  type ElementArray,
  type ElementType,
  elementCount,
  float32,
  int64,
  type Tensor,
  tensor,
} from "../onnx/tensor.ts";
import { mapBodies } from "./bodies.ts";

/**
 * `Constant` nodes as initializers, what exporters compute of them in one step too, and no more `Identity`: what follows then sees a
 * constant wherever there is one.
 */
export const settleConstants = (graph: Graph): Graph => withoutIdentities(liftConstants(graph), new Map());

function liftConstants(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const rule = node.domain === "" && Object.hasOwn(COMPUTED, node.opType) ? COMPUTED[node.opType] : undefined;
    const value = rule?.(node, initializers.get(node.inputs[0] ?? ""));
    if (!value) return [mapBodies(node, liftConstants)];
    initializers.set(node.outputs[0]!, value);
    return [];
  });
  return { ...graph, nodes, initializers };
}

/** A node's value, where it is known before anything runs; `x` is its first operand's. */
const COMPUTED: Readonly<Record<string, (node: Node, x: Tensor | undefined) => Tensor | undefined>> = {
  /** Strings and sparse tensors stay behind as nodes, for whoever needs them to refuse. @see ONNX Constant-12 */
  Constant: ({ attributes }) => {
    const [name, attribute] = Object.entries(attributes)[0] ?? [];
    const read = name !== undefined && Object.hasOwn(CONSTANTS, name) ? CONSTANTS[name]! : undefined;
    return read && attribute?.kind === read.kind ? read.tensor(attribute.value) : undefined;
  },
  /** PyTorch casts the zero points of biases. Casts of fractions are left to ONNX Runtime. */
  Cast: (node, x) => {
    const type = elementOfCode(attribute(node, "to", "int"));
    return x && type && INTEGERS.has(x.type) && INTEGERS.has(type) ? converted(x, type) : undefined;
  },
  /** A constant large enough to weigh in the file stays computed. */
  ConstantOfShape: ({ attributes }, shape) => {
    const dims = shape?.type === "int64" ? Array.from(shape.data, Number) : undefined;
    if (!dims?.every((dim) => dim >= 0) || elementCount(dims) > LARGEST_FILL) return undefined;
    const { type, data } = attributes.value?.kind === "tensor" ? attributes.value.value : float32([1], [0]);
    if (data.length !== 1) return undefined;
    return { type, dims, data: new ELEMENTS[type](elementCount(dims)).fill(data[0] as never) as ElementArray };
  },
};

const LARGEST_FILL = 65_536;

const INTEGERS: ReadonlySet<ElementType> = new Set(["int8", "uint8", "int16", "uint16", "int32", "int64"]);

/** Bits beyond the type fall away, as they do in ONNX Runtime. */
function converted({ dims, data }: Tensor, type: ElementType): Tensor {
  if (type === "int64" || type === "uint64") return tensor(type, dims, ELEMENTS[type].from(Array.from(data, BigInt)));
  return { type, dims, data: new ELEMENTS[type](Array.from<number | bigint, number>(data, Number)) as ElementArray };
}

/** How each attribute of a Constant is read, and of which kind it has to be. */
const CONSTANTS: Readonly<Record<string, { kind: Attribute["kind"]; tensor(value: Attribute["value"]): Tensor }>> = {
  value: { kind: "tensor", tensor: (value) => value as Tensor },
  value_float: { kind: "float", tensor: (value) => float32([], [value as number]) },
  value_floats: {
    kind: "floats",
    tensor: (value) => float32([(value as number[]).length], value as number[]),
  },
  value_int: { kind: "int", tensor: (value) => tensor("int64", [], BigInt64Array.of(BigInt(value as number))) },
  value_ints: { kind: "ints", tensor: (value) => int64(value as number[]) },
};

/** Only an Identity that writes a graph's output stays: the name is the graph's contract. */
function withoutIdentities(graph: Graph, outer: ReadonlyMap<ValueName, ValueName>): Graph {
  const results = new Set(graph.outputs.map(({ name }) => name));
  const origin = new Map(outer);
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const renamed: Node = {
      ...mapBodies(node, (body) => withoutIdentities(body, origin)),
      inputs: node.inputs.map((name) => origin.get(name) ?? name),
    };
    if (node.opType !== "Identity" || node.domain !== "") return [renamed];
    const [from, to] = [renamed.inputs[0]!, node.outputs[0]!];
    if (!results.has(to)) {
      origin.set(to, from);
      return [];
    }
    const constant = initializers.get(from);
    if (!constant) return [renamed];
    initializers.set(to, constant);
    return [];
  });
  return { ...graph, nodes, initializers };
}
