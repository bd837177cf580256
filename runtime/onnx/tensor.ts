import { LichenError } from "../errors.ts";

/** Element types Lichen computes with, by their ONNX names, and how each is held in memory. */
export const ELEMENTS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

export type ElementType = keyof typeof ELEMENTS;
export type ElementArray<T extends ElementType = ElementType> = InstanceType<(typeof ELEMENTS)[T]>;

/** A dense row-major tensor. `data.length` is the product of `dims`; a scalar has no dims. */
export interface Tensor<T extends ElementType = ElementType> {
  readonly type: T;
  readonly dims: readonly number[];
  readonly data: ElementArray<T>;
}

/** @throws BAD_ARGUMENT when the data does not fill the shape. */
export function tensor<T extends ElementType>(type: T, dims: readonly number[], data: ElementArray<T>): Tensor<T> {
  if (data.length !== elementCount(dims)) {
    throw new LichenError("BAD_ARGUMENT", {
      at: `tensor ${type}[${dims.join(",")}]`,
      found: `${data.length} elements`,
      wanted: `${elementCount(dims)} elements`,
    });
  }
  return { type, dims, data };
}

export const elementCount = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

export const byteLength = (value: Tensor): number => value.data.byteLength;

export const float32 = (dims: readonly number[], values: ArrayLike<number>): Tensor<"float32"> =>
  tensor("float32", dims, Float32Array.from(values));

export const int32 = (dims: readonly number[], values: ArrayLike<number>): Tensor<"int32"> =>
  tensor("int32", dims, Int32Array.from(values));

/** A vector of int64, as the shape-like inputs of ONNX operators want it. */
export const int64 = (values: readonly number[]): Tensor<"int64"> =>
  tensor("int64", [values.length], BigInt64Array.from(values.map(BigInt)));

export const scalar = (type: "float32" | "int32", value: number): Tensor =>
  type === "float32" ? float32([], [value]) : int32([], [value]);

/** A vector of zeros. */
export const zeros = (type: "float32" | "int8" | "uint8" | "int32", length: number): Tensor =>
  tensor(type, [length], new ELEMENTS[type](length));

export const zeroTensor = (dims: readonly number[]): Tensor<"float32"> =>
  tensor("float32", dims, new Float32Array(elementCount(dims)));

/** The bytes of a tensor, little-endian, without a copy. */
export const bytesOf = (value: Tensor): Uint8Array =>
  new Uint8Array(value.data.buffer, value.data.byteOffset, value.data.byteLength);

/**
 * A tensor over a copy of little-endian bytes (a copy, because foreign bytes are rarely aligned; not by slice, which shares in Buffers).
 * @throws BAD_ARGUMENT when the bytes do not fill the shape.
 */
export function tensorFromBytes<T extends ElementType>(type: T, dims: readonly number[], bytes: Uint8Array): Tensor<T> {
  const ArrayType = ELEMENTS[type];
  const size = elementCount(dims) * ArrayType.BYTES_PER_ELEMENT;
  if (bytes.byteLength !== size) {
    throw new LichenError("BAD_ARGUMENT", {
      at: `tensor ${type}[${dims.join(",")}]`,
      found: `${bytes.byteLength} bytes`,
      wanted: `${size} bytes`,
    });
  }
  return { type, dims, data: new ArrayType(new Uint8Array(bytes).buffer) as ElementArray<T> };
}

/** Rows `begin` to `end` along the first axis, without a copy. */
export function sliceRows(value: Tensor, begin: number, end: number): Tensor {
  const row = elementCount(value.dims.slice(1));
  const data = value.data.subarray(begin * row, end * row) as ElementArray;
  return { type: value.type, dims: [end - begin, ...value.dims.slice(1)], data };
}

/** The rows at the given indices, in that order, as a copy. */
export function gatherRows(value: Tensor, rows: readonly number[]): Tensor {
  const width = elementCount(value.dims.slice(1));
  const data = new ELEMENTS[value.type](rows.length * width) as ElementArray;
  rows.forEach((row, at) => void data.set(value.data.subarray(row * width, (row + 1) * width) as never, at * width));
  return { type: value.type, dims: [rows.length, ...value.dims.slice(1)], data };
}

/** Tensors one after another along the first axis. @throws BAD_ARGUMENT unless all are of one type and row shape. */
export function concatRows(values: readonly Tensor[]): Tensor {
  const first = values[0];
  if (!first) throw new LichenError("BAD_ARGUMENT", { found: "no tensors", wanted: "at least one" });
  const rowShape = first.dims.slice(1);
  const odd = values.find((value) => value.type !== first.type || value.dims.slice(1).join() !== rowShape.join());
  if (odd) {
    throw new LichenError("BAD_ARGUMENT", {
      found: `${odd.type}[${odd.dims}]`,
      wanted: `${first.type}[…,${rowShape}]`,
    });
  }
  const count = values.reduce((sum, value) => sum + value.dims[0]!, 0);
  const joined = new Uint8Array(count * elementCount(rowShape) * first.data.BYTES_PER_ELEMENT);
  let offset = 0;
  for (const value of values) {
    joined.set(bytesOf(value), offset);
    offset += byteLength(value);
  }
  return tensorFromBytes(first.type, [count, ...rowShape], joined);
}
