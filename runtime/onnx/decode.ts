import { fromBinary } from "@bufbuild/protobuf";
import { LichenError } from "../errors.ts";
import { ELEMENT_CODES, elementOfCode } from "./elements.ts";
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
  TensorProto_DataLocation,
  type ValueInfoProto,
} from "./generated/onnx_pb.ts";
import type { Attribute, Dim, Graph, Model, Node, ValueInfo } from "./graph.ts";
import { type ElementArray, type ElementType, elementCount, type Tensor, tensor, tensorFromBytes } from "./tensor.ts";
import { operands, topological } from "./topological.ts";

/**
 * Reads an ONNX file. Nodes come out in topological order; initializers that are also listed as inputs (IR < 4) count as constants.
 * @throws MODEL_CORRUPT for bytes that are no ONNX, UNSUPPORTED_OPERATOR for what Lichen's graphs cannot hold (strings, external data).
 */
export const decodeModel = (bytes: Uint8Array, at: string): Model => decodeProto(parseProto(bytes, at), at);

/** The protobuf message itself, for whoever has to change it before it is read. @throws MODEL_CORRUPT */
export function parseProto(bytes: Uint8Array, at: string): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw new LichenError("MODEL_CORRUPT", {
      at,
      found: `${bytes.byteLength} bytes`,
      wanted: "an ONNX protobuf",
      cause,
    });
  }
}

/** @throws as `decodeModel` */
export function decodeProto(proto: ModelProto, at: string): Model {
  const versions = Object.fromEntries(
    proto.opsetImport.map((set) => [set.domain === "ai.onnx" ? "" : set.domain, Number(set.version)]),
  );
  const { "": opset, ...domains } = versions;
  if (!proto.graph || opset === undefined) {
    throw new LichenError("MODEL_CORRUPT", { at, found: "no graph or no opset", wanted: "an ONNX model" });
  }
  const graph = decodeGraph(proto.graph, at, 0);
  assertDefined(graph, at);
  return {
    graph,
    opset,
    domains,
    irVersion: Number(proto.irVersion),
    metadata: Object.fromEntries(proto.metadataProps.map((entry) => [entry.key, entry.value])),
  };
}

/** Branches of an If, bodies of a Loop: what people write is nested once or twice. */
const DEEPEST_BODY = 16;

/** ONNX Runtime's own kernels stop earlier. */
const HIGHEST_RANK = 32;

function decodeGraph(proto: GraphProto, at: string, depth: number): Graph {
  if (depth > DEEPEST_BODY) {
    throw new LichenError("MODEL_CORRUPT", {
      at,
      found: "graphs in graphs in graphs",
      wanted: `at most ${DEEPEST_BODY}`,
    });
  }
  const initializers = new Map(proto.initializer.map((value) => [value.name, decodeTensor(value, at)]));
  const inputs = proto.input
    .filter((input) => !initializers.has(input.name))
    .map((input) => decodeValueInfo(input, at));
  const nodes = proto.node.map((node, index) => decodeNode(node, index, at, depth));
  const given = new Set([...initializers.keys(), ...inputs.map(({ name }) => name)]);
  const again = nodes.flatMap(({ outputs }) => outputs).find((output) => given.has(output));
  if (again !== undefined) {
    throw new LichenError("MODEL_CORRUPT", {
      at: `${at}: value ${again}`,
      found: "a node that writes an input or a constant",
    });
  }
  return {
    name: proto.name,
    inputs,
    outputs: proto.output.map((output) => (output.type ? decodeValueInfo(output, at) : { name: output.name })),
    nodes: topological(nodes, at),
    initializers,
  };
}

/** Every value that is read comes from somewhere; what a body reads from outside counts for its node. */
function assertDefined(graph: Graph, at: string): void {
  const defined = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
  for (const node of graph.nodes) for (const output of node.outputs) defined.add(output);
  const readers = [...graph.nodes.map((node) => ({ place: `node ${node.name}`, values: operands(node) }))];
  readers.push({ place: "outputs", values: graph.outputs.map(({ name }) => name) });
  for (const { place, values } of readers) {
    const missing = values.find((value) => !defined.has(value));
    if (missing !== undefined) {
      throw new LichenError("MODEL_CORRUPT", { at: `${at}: ${place}`, found: `${missing}, which nothing computes` });
    }
  }
}

function decodeNode(proto: NodeProto, index: number, at: string, depth: number): Node {
  const name = proto.name || `${proto.opType}_${index}`;
  const place = `${at}: node ${name}`;
  if (!proto.output.some((output) => output !== "")) {
    throw new LichenError("MODEL_CORRUPT", { at: place, found: "no outputs", wanted: "one at least" });
  }
  return {
    name,
    opType: proto.opType,
    domain: proto.domain === "ai.onnx" ? "" : proto.domain,
    inputs: proto.input,
    outputs: proto.output,
    attributes: Object.fromEntries(proto.attribute.map((a) => [a.name, decodeAttribute(a, place, depth)])),
  };
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Beyond 2^53 an int only ever means "to the end" (Slice-1), so it may saturate. */
const integer = (value: bigint): number =>
  Number(
    value > Number.MAX_SAFE_INTEGER
      ? Number.MAX_SAFE_INTEGER
      : value < Number.MIN_SAFE_INTEGER
        ? Number.MIN_SAFE_INTEGER
        : value,
  );

type DecodeAttribute = (proto: AttributeProto, at: string, depth: number) => Attribute | undefined;

const ATTRIBUTES: Partial<Record<AttributeType, DecodeAttribute>> = {
  [AttributeType.FLOAT]: (a) => ({ kind: "float", value: a.f }),
  [AttributeType.INT]: (a) => ({ kind: "int", value: integer(a.i) }),
  [AttributeType.STRING]: (a) => ({ kind: "string", value: text(a.s) }),
  [AttributeType.FLOATS]: (a) => ({ kind: "floats", value: a.floats }),
  [AttributeType.INTS]: (a) => ({ kind: "ints", value: a.ints.map(integer) }),
  [AttributeType.STRINGS]: (a) => ({ kind: "strings", value: a.strings.map(text) }),
  [AttributeType.TENSOR]: (a, at) => a.t && { kind: "tensor", value: decodeTensor(a.t, at) },
  [AttributeType.GRAPH]: (a, at, depth) => a.g && { kind: "graph", value: decodeGraph(a.g, at, depth + 1) },
};

function decodeAttribute(proto: AttributeProto, at: string, depth: number): Attribute {
  const attribute = ATTRIBUTES[proto.type]?.(proto, at, depth);
  if (!attribute) throw new LichenError("BAD_ATTRIBUTE", { at, found: `${proto.name} of type ${proto.type}` });
  return attribute;
}

function decodeValueInfo(proto: ValueInfoProto, at: string): ValueInfo {
  const type = proto.type?.value.case === "tensorType" ? proto.type.value.value : undefined;
  const element = type && elementOfCode(type.elemType);
  if (!type || !element) {
    throw new LichenError("MODEL_CORRUPT", {
      at: `${at}: value ${proto.name}`,
      found: `element type ${type?.elemType ?? "(none)"}`,
      wanted: Object.keys(ELEMENT_CODES).join(", "),
    });
  }
  const shape = (type.shape?.dim ?? []).map((dim, axis) =>
    dim.value.case === "dimValue"
      ? Number(dim.value.value)
      : (dim.value.value as string | undefined) || `${proto.name}_${axis}`,
  );
  assertShape(shape, `${at}: value ${proto.name}`);
  return { name: proto.name, type: element, shape };
}

function decodeTensor(proto: TensorProto, file: string): Tensor {
  const at = `${file}: tensor ${proto.name}`;
  const type = elementOfCode(proto.dataType);
  if (!type) {
    throw new LichenError("UNSUPPORTED_OPERATOR", {
      at,
      found: `element type ${DataType[proto.dataType] ?? NEWER_TYPES[proto.dataType] ?? proto.dataType}`,
      wanted: Object.keys(ELEMENT_CODES).join(", "),
      todo: "export with float32 numbers, or quantize to int8",
    });
  }
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    throw new LichenError("MODEL_CORRUPT", {
      at,
      found: "external data",
      wanted: "the weights inside the file",
      todo: "bring it in with lichen import, which reads the files beside it",
    });
  }
  const dims = proto.dims.map(Number);
  assertShape(dims, at);
  try {
    return proto.rawData.length > 0 || elementCount(dims) === 0
      ? tensorFromBytes(type, dims, proto.rawData)
      : tensor(type, dims, TYPED_DATA[type](proto));
  } catch (cause) {
    throw new LichenError("MODEL_CORRUPT", { at, found: "data of another size than its shape", cause });
  }
}

/** Sizes as they may be, before anybody multiplies them: two negative ones would pass for a positive. */
function assertShape(shape: readonly Dim[], at: string): void {
  const isSize = (dim: Dim) => typeof dim === "string" || (Number.isSafeInteger(dim) && dim >= 0);
  if (shape.length <= HIGHEST_RANK && shape.every(isSize)) return;
  throw new LichenError("MODEL_CORRUPT", {
    at,
    found: `shape [${shape.slice(0, HIGHEST_RANK + 1)}]`,
    wanted: `at most ${HIGHEST_RANK} sizes of 0 or more`,
  });
}

/** Element types that came after `onnx.proto` here was taken over (IR 10 and 11). */
const NEWER_TYPES: Readonly<Record<number, string>> = { 21: "UINT4", 22: "INT4", 23: "FLOAT4E2M1" };

/** The typed fields hold small element types widened to int32 (onnx.proto, TensorProto). */
const TYPED_DATA: { [T in ElementType]: (proto: TensorProto) => ElementArray<T> } = {
  float32: (proto) => Float32Array.from(proto.floatData),
  float64: (proto) => Float64Array.from(proto.doubleData),
  int64: (proto) => BigInt64Array.from(proto.int64Data),
  uint64: (proto) => BigUint64Array.from(proto.uint64Data),
  uint32: (proto) => Uint32Array.from(proto.uint64Data, Number),
  int32: (proto) => Int32Array.from(proto.int32Data),
  int16: (proto) => Int16Array.from(proto.int32Data),
  uint16: (proto) => Uint16Array.from(proto.int32Data),
  int8: (proto) => Int8Array.from(proto.int32Data),
  uint8: (proto) => Uint8Array.from(proto.int32Data),
  bool: (proto) => Uint8Array.from(proto.int32Data),
};
