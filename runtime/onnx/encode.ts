import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ELEMENT_CODES } from "./elements.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type TensorShapeProto_DimensionSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "./generated/onnx_pb.ts";
import type { Attribute, Dim, Graph, Model, Node, OutputInfo } from "./graph.ts";
import { bytesOf, type Tensor } from "./tensor.ts";

/** Writes an ONNX file; the same model gives the same bytes. */
export function encodeModel(model: Model): Uint8Array {
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: BigInt(model.irVersion),
      producerName: "lichen",
      opsetImport: Object.entries({ "": model.opset, ...model.domains }).map(([domain, version]) => ({
        domain,
        version: BigInt(version),
      })),
      graph: encodeGraph(model.graph),
      metadataProps: Object.entries(model.metadata).map(([key, value]) => ({ key, value })),
    }),
  );
}

function encodeGraph(graph: Graph): GraphProto {
  return create(GraphProtoSchema, {
    name: graph.name,
    node: graph.nodes.map(encodeNode),
    initializer: [...graph.initializers].map(([name, value]) => encodeTensor(name, value)),
    input: graph.inputs.map(encodeValueInfo),
    output: graph.outputs.map(encodeValueInfo),
  });
}

const encodeNode = (node: Node) =>
  create(NodeProtoSchema, {
    name: node.name,
    opType: node.opType,
    domain: node.domain,
    input: [...node.inputs],
    output: [...node.outputs],
    attribute: Object.entries(node.attributes).map(([name, attribute]) => encodeAttribute(name, attribute)),
  });

const ATTRIBUTES: {
  [K in Attribute["kind"]]: (
    value: Extract<Attribute, { kind: K }>["value"],
  ) => MessageInitShape<typeof AttributeProtoSchema>;
} = {
  int: (i) => ({ type: AttributeType.INT, i: BigInt(i) }),
  float: (f) => ({ type: AttributeType.FLOAT, f }),
  string: (s) => ({ type: AttributeType.STRING, s: new TextEncoder().encode(s) }),
  ints: (ints) => ({ type: AttributeType.INTS, ints: ints.map(BigInt) }),
  floats: (floats) => ({ type: AttributeType.FLOATS, floats: [...floats] }),
  strings: (strings) => ({ type: AttributeType.STRINGS, strings: strings.map((s) => new TextEncoder().encode(s)) }),
  tensor: (value) => ({ type: AttributeType.TENSOR, t: encodeTensor("", value) }),
  graph: (graph) => ({ type: AttributeType.GRAPH, g: encodeGraph(graph) }),
};

function encodeAttribute(name: string, attribute: Attribute): AttributeProto {
  const encode = ATTRIBUTES[attribute.kind] as (
    value: Attribute["value"],
  ) => MessageInitShape<typeof AttributeProtoSchema>;
  return create(AttributeProtoSchema, { name, ...encode(attribute.value) });
}

const encodeTensor = (name: string, value: Tensor): TensorProto =>
  create(TensorProtoSchema, {
    name,
    dims: value.dims.map(BigInt),
    dataType: ELEMENT_CODES[value.type],
    rawData: bytesOf(value).slice(),
  });

const encodeValueInfo = ({ name, type, shape }: OutputInfo): ValueInfoProto =>
  create(ValueInfoProtoSchema, {
    name,
    ...(type && {
      type: {
        value: {
          case: "tensorType",
          value: { elemType: ELEMENT_CODES[type], ...(shape && { shape: { dim: shape.map(encodeDim) } }) },
        },
      },
    }),
  });

const encodeDim = (dim: Dim): MessageInitShape<typeof TensorShapeProto_DimensionSchema> =>
  typeof dim === "number"
    ? { value: { case: "dimValue", value: BigInt(dim) } }
    : { value: { case: "dimParam", value: dim } };
