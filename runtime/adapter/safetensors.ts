import { LichenError } from "../errors.ts";
import {
  byteLength,
  bytesOf,
  ELEMENTS,
  type ElementType,
  elementCount,
  type Tensor,
  tensorFromBytes,
} from "../onnx/tensor.ts";

/** Element types by their names in the format; https://huggingface.co/docs/safetensors, «Format». */
const DTYPES = {
  float32: "F32",
  float64: "F64",
  int8: "I8",
  uint8: "U8",
  int16: "I16",
  uint16: "U16",
  int32: "I32",
  uint32: "U32",
  int64: "I64",
  uint64: "U64",
  bool: "BOOL",
} as const satisfies Record<ElementType, string>;

const ELEMENT_OF_DTYPE = new Map<unknown, ElementType>(
  Object.entries(DTYPES).map(([element, dtype]) => [dtype, element as ElementType]),
);

/** A header larger than this is an attack or damage, not a description (the format's own limit). */
const MAX_HEADER_BYTES = 100_000_000;

export interface Safetensors {
  tensors: ReadonlyMap<string, Tensor>;
  metadata: Readonly<Record<string, string>>;
}

/** Little-endian header length, JSON header padded to 8 bytes, data. The same content gives the same bytes: names are sorted. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  // Widest elements first, as the reference writer does, so that every tensor is aligned.
  const ordered = [...tensors].sort(
    ([a, x], [b, y]) => y.data.BYTES_PER_ELEMENT - x.data.BYTES_PER_ELEMENT || (a < b ? -1 : 1),
  );
  let offset = 0;
  const entries = ordered.map(([name, value]) => {
    const begin = offset;
    offset += byteLength(value);
    return [name, { dtype: DTYPES[value.type], shape: value.dims, data_offsets: [begin, offset] }] as const;
  });
  const sortedMetadata = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
  const json = JSON.stringify({ __metadata__: sortedMetadata, ...Object.fromEntries(entries) });
  const unpadded = new TextEncoder().encode(json);
  const header = new Uint8Array(Math.ceil(unpadded.length / 8) * 8).fill(0x20);
  header.set(unpadded);

  const bytes = new Uint8Array(8 + header.length + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  let at = 8 + header.length;
  for (const [, value] of ordered) {
    bytes.set(bytesOf(value), at);
    at += byteLength(value);
  }
  return bytes;
}

/** @throws ADAPTER_CORRUPT unless header, shapes and offsets agree with the bytes, without gap or overlap. */
export function decodeSafetensors(bytes: Uint8Array, at: string): Safetensors {
  const damaged = (found: string, wanted: string) => new LichenError("ADAPTER_CORRUPT", { at, found, wanted });
  if (bytes.length < 8) throw damaged(`${bytes.length} bytes`, "a safetensors header");
  const headerLength = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (headerLength > MAX_HEADER_BYTES || headerLength > bytes.length - 8) {
    throw damaged(`a header of ${headerLength} bytes in a file of ${bytes.length}`, "a whole file");
  }
  const header = parseHeader(bytes.subarray(8, 8 + headerLength), damaged);
  const data = bytes.subarray(8 + headerLength);
  const { __metadata__: metadata, ...entries } = header;

  const tensors = new Map<string, Tensor>();
  const spans: [begin: number, end: number][] = [];
  for (const [name, entry] of Object.entries(entries)) {
    const { type, shape, begin, end } = parseEntry(name, entry, damaged);
    if (end > data.length) throw damaged(`${data.length} bytes of data`, `${end} bytes, for tensor ${name}`);
    spans.push([begin, end]);
    tensors.set(name, tensorFromBytes(type, shape, data.subarray(begin, end)));
  }
  spans.sort(([a, c], [b, d]) => a - b || c - d);
  const covered = spans.reduce((position, [begin, end]) => (begin === position ? end : Number.NaN), 0);
  if (covered !== data.length) throw damaged("data with a gap, an overlap or a tail", "tensors side by side");
  return { tensors, metadata: parseMetadata(metadata, damaged) };
}

type Damaged = (found: string, wanted: string) => LichenError;

function parseHeader(bytes: Uint8Array, damaged: Damaged): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw damaged("a header that is no JSON", "JSON");
  }
  if (!isRecord(value)) throw damaged("a header that is no object", "an object");
  return value;
}

function parseMetadata(value: unknown, damaged: Damaged): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value) || !Object.values(value).every((entry) => typeof entry === "string")) {
    throw damaged("metadata that is no map of texts", "texts");
  }
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown, damaged: Damaged) {
  const entry = isRecord(value) ? value : {};
  const type = ELEMENT_OF_DTYPE.get(entry.dtype);
  const { shape, data_offsets: offsets } = entry;
  if (!type || !isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) {
    throw damaged(`tensor ${name}: ${JSON.stringify(value)?.slice(0, 80)}`, "dtype, shape and data_offsets");
  }
  const [begin, end] = offsets as [number, number];
  if (end - begin !== elementCount(shape) * ELEMENTS[type].BYTES_PER_ELEMENT) {
    throw damaged(`tensor ${name}: ${end - begin} bytes`, `${type}[${shape.join(",")}]`);
  }
  return { type, shape, begin, end };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
