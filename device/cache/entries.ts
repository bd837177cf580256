import { crc32 } from "./crc32.ts";

/*
 * The index of a row file: a header, then an entry a row, all of the same size and each with a checksum of its own.
 *   header: "lichenrw", format, row bytes, zeros, checksum
 *   entry:  key (32 bytes), checksum of the row, checksum
 * Numbers are 32-bit, little-endian. Zeros, which file systems leave where a power cut met them, are no valid entry.
 */
export const ENTRY_BYTES = 40;
const KEY_BYTES = 32;
const CHECKSUM_AT = ENTRY_BYTES - 4;
const MAGIC = Buffer.from("lichenrw");
const FORMAT = 1;

export interface Entries {
  /** By row; undefined where an entry is damaged. */
  readonly keys: (string | undefined)[];
  /** Of the rows. */
  readonly checksums: number[];
}

export const entryPosition = (row: number): number => ENTRY_BYTES * (1 + row);

export function encodeHeader(rowBytes: number): Uint8Array {
  const header = Buffer.alloc(ENTRY_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(FORMAT, 8);
  header.writeUInt32LE(rowBytes, 12);
  return sealed(header);
}

export function encodeEntry(key: string, rowChecksum: number): Uint8Array {
  const entry = Buffer.alloc(ENTRY_BYTES);
  entry.write(key, "hex");
  entry.writeUInt32LE(rowChecksum, KEY_BYTES);
  return sealed(entry);
}

/** @returns undefined when the index is not one of rows of this size. */
export function decodeEntries(index: Buffer, rowBytes: number): Entries | undefined {
  if (index.length < ENTRY_BYTES || !index.subarray(0, ENTRY_BYTES).equals(encodeHeader(rowBytes))) return undefined;
  const entries: Entries = { keys: [], checksums: [] };
  for (let end = 2 * ENTRY_BYTES; end <= index.length; end += ENTRY_BYTES) {
    const entry = index.subarray(end - ENTRY_BYTES, end);
    const whole = entry.readUInt32LE(CHECKSUM_AT) === crc32(entry.subarray(0, CHECKSUM_AT));
    entries.keys.push(whole ? entry.toString("hex", 0, KEY_BYTES) : undefined);
    entries.checksums.push(entry.readUInt32LE(KEY_BYTES));
  }
  return entries;
}

function sealed(entry: Buffer): Uint8Array {
  entry.writeUInt32LE(crc32(entry.subarray(0, CHECKSUM_AT)), CHECKSUM_AT);
  return entry;
}
