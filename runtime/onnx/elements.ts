import { TensorProto_DataType as DataType } from "./generated/onnx_pb.ts";
import type { ElementType } from "./tensor.ts";

/** Element types by their numbers in an ONNX file. */
export const ELEMENT_CODES = {
  float32: DataType.FLOAT,
  float64: DataType.DOUBLE,
  int8: DataType.INT8,
  uint8: DataType.UINT8,
  int16: DataType.INT16,
  uint16: DataType.UINT16,
  int32: DataType.INT32,
  uint32: DataType.UINT32,
  int64: DataType.INT64,
  uint64: DataType.UINT64,
  bool: DataType.BOOL,
} as const satisfies Record<ElementType, DataType>;

const ELEMENT_OF_CODE = new Map<number, ElementType>(
  Object.entries(ELEMENT_CODES).map(([element, code]) => [code, element as ElementType]),
);

export const elementOfCode = (code: number): ElementType | undefined => ELEMENT_OF_CODE.get(code);
