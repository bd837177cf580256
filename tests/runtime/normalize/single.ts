import { type AttributeValue, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Attribute, Dim, Model, Node } from "../../../runtime/onnx/graph.ts";
import type { Tensor } from "../../../runtime/onnx/tensor.ts";

/** An operand: the shape of a float32 input, a constant, or null where it is absent. */
export type Operand = readonly Dim[] | Tensor | null;

export interface Single {
  opset?: number;
  domain?: string;
  opType: string;
  operands: readonly Operand[];
  attributes?: Record<string, AttributeValue | { floats: readonly number[] }>;
  /** How many outputs the node has, and how many of them the graph. */
  outputs?: number;
  results?: number;
}

/** A model of one node, as an exporter of its time would have written it. */
export function single({
  opset = 21,
  domain = "",
  opType,
  operands,
  attributes = {},
  outputs = 1,
  results = 1,
}: Single): Model {
  const builder = new GraphBuilder();
  const inputs = operands.map((operand, at) => {
    if (operand === null) return "";
    if ("data" in operand) return builder.constant(`constant_${at}`, operand);
    return builder.input(`input_${at}`, "float32", operand);
  });
  const plain = Object.entries(attributes).filter(([, value]) => !isFloats(value)) as [string, AttributeValue][];
  const floats = Object.entries(attributes).flatMap(([name, value]) =>
    isFloats(value) ? [[name, { kind: "floats", value: value.floats } satisfies Attribute] as const] : [],
  );
  const names = builder.addMany(opType, inputs, outputs, Object.fromEntries(plain), "node");
  for (const name of names.slice(0, results)) builder.output(name);
  const graph = builder.build("single");
  const nodes = graph.nodes.map(
    (node): Node => ({ ...node, domain, attributes: { ...node.attributes, ...Object.fromEntries(floats) } }),
  );
  return {
    graph: { ...graph, nodes },
    opset,
    domains: domain === "" ? {} : { [domain]: 1 },
    irVersion: 8,
    metadata: {},
  };
}

const isFloats = (value: unknown): value is { floats: readonly number[] } =>
  typeof value === "object" && value !== null && "floats" in value;
