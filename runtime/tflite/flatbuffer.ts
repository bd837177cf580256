import { ByteBuffer } from "flatbuffers";
import { LichenError } from "../errors.ts";

/**
 * FlatBuffers, read with every offset and length checked: generated code trusts the file, and the npm package has no verifier.
 * A table is declared as its fields, each with its slot, its type and what stands there when the file is silent.
 * @see https://flatbuffers.dev/internals
 */
export interface Flatbuffer {
  readonly buffer: ByteBuffer;
  readonly size: number;
  /** The file, for errors. */
  readonly at: string;
  /** Bytes that may yet be read. Offsets may be shared, so that a small file could spell out an endless one. */
  allowance: number;
}

/** How a value is read that stands at `position`; a field that is absent is `absent`. */
export interface Field<Value> {
  readonly slot: number;
  /** Bytes in the table itself. */
  readonly width: number;
  readonly absent: Value;
  read(file: Flatbuffer, position: number): Value;
  /** Which values mean something, in words and as a rule; without it, all do. */
  readonly usable?: { readonly wanted: string; holds(value: Value): boolean };
}

export type Table = Readonly<Record<string, Field<unknown>>>;
export type Row<T extends Table> = { readonly [K in keyof T]: T[K] extends Field<infer Value> ? Value : never };

/** @throws MODEL_CORRUPT where the bytes are not what the table says */
export function readRoot<T extends Table>(table: T, identifier: string, bytes: Uint8Array, at: string): Row<T> {
  const file: Flatbuffer = {
    buffer: new ByteBuffer(bytes),
    size: bytes.byteLength,
    at,
    allowance: 4 * bytes.byteLength + 4096,
  };
  if (!hasIdentifier(bytes, identifier)) {
    throw corrupt(file, 4, `no identifier ${identifier}`, `a FlatBuffer that begins with it`);
  }
  return readTable(file, table, file.buffer.readUint32(0));
}

/** A table of which the file says nothing at all. */
export const absentRow = <T extends Table>(fields: T, at: string): Row<T> =>
  rowOf(fields, at, (_, field) => field.absent);

/** Four letters behind the first offset. */
export const hasIdentifier = (bytes: Uint8Array, identifier: string): boolean =>
  bytes.byteLength >= 8 && String.fromCharCode(...bytes.subarray(4, 8)) === identifier;

// A scalar, by its slot and, where it is not zero, its default.
export const uint8 = (slot: number, absent = 0) => scalar(slot, 1, absent, (b, p) => b.readUint8(p));
export const int8 = (slot: number, absent = 0) => scalar(slot, 1, absent, (b, p) => b.readInt8(p));
export const int32 = (slot: number, absent = 0) => scalar(slot, 4, absent, (b, p) => b.readInt32(p));
export const uint32 = (slot: number, absent = 0) => scalar(slot, 4, absent, (b, p) => b.readUint32(p));
/** Exact up to 2^53, which no size in a file passes. */
export const uint64 = (slot: number) => scalar(slot, 8, 0, (b, p) => Number(b.readUint64(p)));
export const float32 = (slot: number, absent = 0) => scalar(slot, 4, absent, (b, p) => b.readFloat32(p));
export const bool = (slot: number) => scalar(slot, 1, false, (b, p) => b.readUint8(p) !== 0);

/** A number that stands for one of some names. */
export const enumeration = (slot: number, names: readonly string[]): Field<number> => ({
  ...int8(slot),
  usable: { wanted: `0 to ${names.length - 1}, for ${names.join(", ")}`, holds: (value) => value in names },
});

/** A size of which at least one is needed: a stride, a window. */
export const positive = (slot: number, absent = 0): Field<number> => ({
  ...int32(slot, absent),
  usable: { wanted: "at least 1", holds: (value) => value >= 1 },
});

export const int32s = (slot: number) => vector(slot, 4, (b, p) => b.readInt32(p));
export const int64s = (slot: number) => vector(slot, 8, (b, p) => Number(b.readInt64(p)));
export const float32s = (slot: number) => vector(slot, 4, (b, p) => b.readFloat32(p));

/** A view into the file, not a copy. */
export const bytes = (slot: number): Field<Uint8Array | null> => ({
  slot,
  width: 4,
  absent: null,
  read(file, position) {
    const { begin, count } = openVector(file, position, 1);
    return file.buffer.bytes().subarray(begin, begin + count);
  },
});

export const text = (slot: number): Field<string> => ({
  slot,
  width: 4,
  absent: "",
  read(file, position) {
    const { begin, count } = openVector(file, position, 1);
    spend(file, position, count);
    return new TextDecoder().decode(file.buffer.bytes().subarray(begin, begin + count));
  },
});

export const table = <T extends Table>(slot: number, fields: T): Field<Row<T> | null> => ({
  slot,
  width: 4,
  absent: null,
  read: (file, position) => readTable(file, fields, follow(file, position)),
});

export const tables = <T extends Table>(slot: number, fields: T): Field<readonly Row<T>[]> =>
  vectorOf(slot, 4, (file, position) => readTable(file, fields, follow(file, position)));

/** A table whose fields another field decides (a union); it is read by whoever knows which. */
export const union = (slot: number): Field<(<T extends Table>(fields: T) => Row<T>) | null> => ({
  slot,
  width: 4,
  absent: null,
  read(file, position) {
    const target = follow(file, position);
    return (fields) => readTable(file, fields, target);
  },
});

function scalar<Value>(
  slot: number,
  width: number,
  absent: Value,
  read: (buffer: ByteBuffer, position: number) => Value,
): Field<Value> {
  return { slot, width, absent, read: (file, position) => read(file.buffer, position) };
}

const vector = <Value>(slot: number, width: number, read: (buffer: ByteBuffer, position: number) => Value) =>
  vectorOf(slot, width, (file, position) => read(file.buffer, position));

function vectorOf<Value>(
  slot: number,
  width: number,
  read: (file: Flatbuffer, position: number) => Value,
): Field<readonly Value[]> {
  return {
    slot,
    width: 4,
    absent: [],
    read(file, position) {
      const { begin, count } = openVector(file, position, width);
      spend(file, position, count * width);
      return Array.from({ length: count }, (_, index) => read(file, begin + index * width));
    },
  };
}

function readTable<T extends Table>(file: Flatbuffer, fields: T, position: number): Row<T> {
  within(file, position, 4, "a table");
  const shape = position - file.buffer.readInt32(position); // of the vtable: its bytes, the table's bytes, an offset a slot
  within(file, shape, 4, "the vtable of a table");
  const slotsEnd = file.buffer.readUint16(shape);
  const tableBytes = file.buffer.readUint16(shape + 2);
  within(file, shape, Math.max(4, slotsEnd), "the vtable of a table");
  within(file, position, Math.max(4, tableBytes), "a table");
  spend(file, position, slotsEnd + tableBytes);
  const place = `${file.at}: byte ${position}`;
  return rowOf(fields, place, (name, field) => {
    const slotAt = 4 + 2 * field.slot;
    const offset = slotAt + 2 <= slotsEnd ? file.buffer.readUint16(shape + slotAt) : 0;
    if (offset === 0) return field.absent;
    if (offset < 4 || offset + field.width > tableBytes) {
      throw corrupt(file, position, `field ${name} at ${offset}`, `between 4 and ${tableBytes - field.width}`);
    }
    return field.read(file, position + offset);
  });
}

function rowOf<T extends Table>(fields: T, at: string, read: (name: string, field: Field<unknown>) => unknown): Row<T> {
  const row = Object.entries(fields).map(([name, field]) => {
    const value = read(name, field);
    if (field.usable && !field.usable.holds(value)) {
      throw new LichenError("MODEL_CORRUPT", { at, found: `${name} ${value}`, wanted: field.usable.wanted });
    }
    return [name, value];
  });
  return Object.fromEntries(row);
}

function openVector(file: Flatbuffer, position: number, width: number): { begin: number; count: number } {
  const start = follow(file, position);
  within(file, start, 4, "a vector");
  const count = file.buffer.readUint32(start);
  within(file, start + 4, count * width, `a vector of ${count}`);
  return { begin: start + 4, count };
}

/** Where the offset that stands at `position` leads. */
function follow(file: Flatbuffer, position: number): number {
  return position + file.buffer.readUint32(position);
}

function within(file: Flatbuffer, position: number, length: number, what: string): void {
  if (position < 0 || position + length > file.size) {
    throw corrupt(file, position, `${what} that ends at ${position + length}`, `an end within ${file.size} bytes`);
  }
}

function spend(file: Flatbuffer, position: number, count: number): void {
  file.allowance -= count;
  if (file.allowance < 0) throw corrupt(file, position, "parts that are shared over and over", "each part about once");
}

function corrupt(file: Flatbuffer, position: number, found: string | number, wanted: string): LichenError {
  return new LichenError("MODEL_CORRUPT", { at: `${file.at}: byte ${position}`, found, wanted });
}
