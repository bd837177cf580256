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
import type { Attribute, Graph, Model, Node, ValueInfo } from "./graph.ts";
import { type ElementArray, type ElementType, elementCount, type Tensor, tensor, tensorFromBytes } from "./tensor.ts";
import { topological } from "./topological.ts";

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
  return {
    graph: decodeGraph(proto.graph, at),
    opset,
    domains,
    irVersion: Number(proto.irVersion),
    metadata: Object.fromEntries(proto.metadataProps.map((entry) => [entry.key, entry.value])),
  };
}

function decodeGraph(proto: GraphProto, at: string): Graph {
  const initializers = new Map(proto.initializer.map((value) => [value.name, decodeTensor(value, at)]));
  return {
    name: proto.name,
    inputs: proto.input.filter((input) => !initializers.has(input.name)).map((input) => decodeValueInfo(input, at)),
    outputs: proto.output.map((output) => (output.type ? decodeValueInfo(output, at) : { name: output.name })),
    nodes: topological(
      proto.node.map((node, index) => decodeNode(node, index, at)),
      at,
    ),
    initializers,
  };
}

function decodeNode(proto: NodeProto, index: number, at: string): Node {
  const name = proto.name || `${proto.opType}_${index}`;
  return {
    name,
    opType: proto.opType,
    domain: proto.domain === "ai.onnx" ? "" : proto.domain,
    inputs: proto.input,
    outputs: proto.output,
    attributes: Object.fromEntries(proto.attribute.map((a) => [a.name, decodeAttribute(a, `${at}: node ${name}`)])),
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

const ATTRIBUTES: Partial<Record<AttributeType, (proto: AttributeProto, at: string) => Attribute | undefined>> = {
  [AttributeType.FLOAT]: (a) => ({ kind: "float", value: a.f }),
  [AttributeType.INT]: (a) => ({ kind: "int", value: integer(a.i) }),
  [AttributeType.STRING]: (a) => ({ kind: "string", value: text(a.s) }),
  [AttributeType.FLOATS]: (a) => ({ kind: "floats", value: a.floats }),
  [AttributeType.INTS]: (a) => ({ kind: "ints", value: a.ints.map(integer) }),
  [AttributeType.STRINGS]: (a) => ({ kind: "strings", value: a.strings.map(text) }),
  [AttributeType.TENSOR]: (a, at) => a.t && { kind: "tensor", value: decodeTensor(a.t, at) },
  [AttributeType.GRAPH]: (a, at) => a.g && { kind: "graph", value: decodeGraph(a.g, at) },
};

function decodeAttribute(proto: AttributeProto, at: string): Attribute {
  const attribute = ATTRIBUTES[proto.type]?.(proto, at);
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
  try {
    return proto.rawData.length > 0 || elementCount(dims) === 0
      ? tensorFromBytes(type, dims, proto.rawData)
      : tensor(type, dims, TYPED_DATA[type](proto));
  } catch (cause) {
    throw new LichenError("MODEL_CORRUPT", { at, found: "data of another size than its shape", cause });
  }
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
