import {
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  type GraphProto,
  type ModelProto,
  type TensorProto,
  type ValueInfoProto,
} from "../onnx/generated/onnx_pb.ts";
import { float16Bits } from "../onnx/half-floats.ts";
import { tensorsOf } from "./external-data.ts";

/**
 * float16 and bfloat16 as float32 throughout: weights, inputs, outputs, and Casts to them. Every 16-bit number is a float32 too; only
 * sums are rounded more finely from now on.
 * @returns whether there was any
 */
export function widenHalfFloats(proto: ModelProto): boolean {
  if (!proto.graph) return false;
  const tensors = tensorsOf(proto.graph).map(widenTensor);
  const values = graphsOf(proto.graph).flatMap((graph) => [
    ...[...graph.input, ...graph.output].map(widenValue),
    ...graph.node.map(widenCast),
  ]);
  return [...tensors, ...values].includes(true);
}

/** How 16 bits are read, by the element type's number; the bits of the float32 come out. @see onnx.proto, TensorProto.DataType */
const HALVES: Readonly<Record<number, (bits: number) => number>> = {
  10: float16Bits,
  16: (bits) => bits << 16,
};

function widenTensor(tensor: TensorProto): boolean {
  const read = HALVES[tensor.dataType];
  if (!read) return false;
  const { rawData, int32Data } = tensor;
  const raw = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  // An odd byte at the end makes no number: the size no longer fits the shape, and whoever decodes the tensor says so.
  const count = rawData.length > 0 ? Math.floor(rawData.length / 2) : int32Data.length;
  const bits = new Int32Array(count);
  for (let at = 0; at < count; at++) bits[at] = read(rawData.length > 0 ? raw.getUint16(at * 2, true) : int32Data[at]!);
  tensor.rawData = new Uint8Array(bits.buffer);
  tensor.int32Data = [];
  tensor.dataType = DataType.FLOAT;
  return true;
}

function widenValue({ type }: ValueInfoProto): boolean {
  if (type?.value.case !== "tensorType" || !HALVES[type.value.value.elemType]) return false;
  type.value.value.elemType = DataType.FLOAT;
  return true;
}

function widenCast({ opType, attribute }: GraphProto["node"][number]): boolean {
  const to = opType === "Cast" ? attribute.find(({ name }) => name === "to") : undefined;
  if (to?.type !== AttributeType.INT || !HALVES[Number(to.i)]) return false;
  to.i = BigInt(DataType.FLOAT);
  return true;
}

const graphsOf = (graph: GraphProto): GraphProto[] => [
  graph,
  ...graph.node.flatMap((node) => node.attribute.flatMap(({ g }) => (g ? graphsOf(g) : []))),
];
