import { fromBinary } from "@bufbuild/protobuf";
import { LichenError } from "../errors.ts";
import { type GraphProto, ModelProtoSchema, type TensorProto, type ValueInfoProto } from "../onnx/generated/onnx_pb.ts";
import type { Dim, ValueName } from "../onnx/graph.ts";
import { elementCount } from "../onnx/tensor.ts";

/** A value as the file declares it; element types by their ONNX names, those that Lichen cannot hold included. */
export interface OutlinedValue {
  name: ValueName;
  type: string;
  shape: readonly Dim[] | null;
}

export interface OutlinedNode {
  name: string;
  /** With its domain, where that is not ai.onnx. */
  operator: string;
  inputs: readonly ValueName[];
  outputs: readonly ValueName[];
}

export interface OutlinedConstant {
  type: string;
  dims: readonly number[];
  bytes: number;
}

/** What an ONNX file says of itself, without the demand that Lichen could run it. */
export interface Outline {
  irVersion: number;
  producer: string | null;
  /** Operator sets by domain; `ai.onnx` included. */
  opsets: Readonly<Record<string, number>>;
  /** What whoever made the file wrote into it. */
  metadata: Readonly<Record<string, string>>;
  inputs: readonly OutlinedValue[];
  outputs: readonly OutlinedValue[];
  /** Of the main graph, in the order of the file. */
  nodes: readonly OutlinedNode[];
  /** How often each operator occurs, subgraphs included. */
  operators: Readonly<Record<string, number>>;
  /** Initializers, and the tensors of Constant nodes, of the main graph. */
  constants: ReadonlyMap<ValueName, OutlinedConstant>;
}

/** @throws MODEL_CORRUPT for bytes that are no ONNX model */
export function outline(bytes: Uint8Array, at: string): Outline {
  const proto = parse(bytes, at);
  const graph = proto.graph;
  if (!graph || proto.opsetImport.length === 0)
    throw new LichenError("MODEL_CORRUPT", { at, found: "no graph or no opset", wanted: "an ONNX model" });
  const constants = constantsOf(graph);
  return {
    irVersion: Number(proto.irVersion),
    producer: [proto.producerName, proto.producerVersion].filter(Boolean).join(" ") || null,
    opsets: Object.fromEntries(proto.opsetImport.map((set) => [set.domain || "ai.onnx", Number(set.version)])),
    metadata: Object.fromEntries(proto.metadataProps.map(({ key, value }) => [key, value])),
    inputs: graph.input.filter(({ name }) => !constants.has(name)).map(declared),
    outputs: graph.output.map(declared),
    nodes: graph.node.map((node, at) => ({
      name: node.name || `${node.opType}_${at}`,
      operator: qualified(node),
      inputs: node.input,
      outputs: node.output,
    })),
    operators: histogram(operatorsOf(graph)),
    constants,
  };
}

function parse(bytes: Uint8Array, at: string) {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw new LichenError("MODEL_CORRUPT", { at, found: `${bytes.length} bytes`, wanted: "an ONNX protobuf", cause });
  }
}

const qualified = ({ domain, opType }: { domain: string; opType: string }): string =>
  domain === "" || domain === "ai.onnx" ? opType : `${domain}.${opType}`;

function constantsOf(graph: GraphProto): Map<ValueName, OutlinedConstant> {
  const lifted = graph.node.flatMap((node) => {
    const value = node.opType === "Constant" ? node.attribute.find(({ name }) => name === "value")?.t : undefined;
    return value ? [[node.output[0]!, constantOf(value)] as const] : [];
  });
  return new Map([...graph.initializer.map((value) => [value.name, constantOf(value)] as const), ...lifted]);
}

function constantOf(value: TensorProto): OutlinedConstant {
  const dims = value.dims.map(Number);
  const { name, bits } = typeOf(value.dataType);
  return { type: name, dims, bytes: Math.ceil((elementCount(dims) * bits) / 8) };
}

function declared({ name, type }: ValueInfoProto): OutlinedValue {
  const tensor = type?.value.case === "tensorType" ? type.value.value : undefined;
  const shape = tensor?.shape?.dim.map(({ value }, axis): Dim => {
    if (value.case === "dimValue") return Number(value.value);
    return value.value || `${name}_${axis}`;
  });
  return { name, type: tensor ? typeOf(tensor.elemType).name : "not a tensor", shape: shape ?? null };
}

function operatorsOf(graph: GraphProto): string[] {
  return graph.node.flatMap((node) => [
    qualified(node),
    ...node.attribute.flatMap(({ g }) => (g ? operatorsOf(g) : [])),
  ]);
}

/** Most frequent first. */
function histogram(names: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)));
}

/** TensorProto.DataType by number; bits an element takes. @see onnx.proto of ONNX 1.18 */
const TYPES: Readonly<Record<number, readonly [name: string, bits: number]>> = {
  1: ["float32", 32],
  2: ["uint8", 8],
  3: ["int8", 8],
  4: ["uint16", 16],
  5: ["int16", 16],
  6: ["int32", 32],
  7: ["int64", 64],
  8: ["string", 0],
  9: ["bool", 8],
  10: ["float16", 16],
  11: ["float64", 64],
  12: ["uint32", 32],
  13: ["uint64", 64],
  14: ["complex64", 64],
  15: ["complex128", 128],
  16: ["bfloat16", 16],
  17: ["float8e4m3fn", 8],
  18: ["float8e4m3fnuz", 8],
  19: ["float8e5m2", 8],
  20: ["float8e5m2fnuz", 8],
  21: ["uint4", 4],
  22: ["int4", 4],
  23: ["float4e2m1", 4],
};

function typeOf(code: number): { name: string; bits: number } {
  const [name, bits] = TYPES[code] ?? [`element type ${code}`, 0];
  return { name, bits };
}
