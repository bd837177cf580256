import { LichenError } from "../errors.ts";
import { type Bytes, viewOf } from "./bytes.ts";

export interface Chunk {
  /** Of its content. */
  start: number;
  length: number;
  /** The writer did not know the length: the data goes to the end of the file and may end inside a frame. */
  open: boolean;
}

/** Writers to a pipe cannot know the length: they leave 0, all ones, or (sox) a number just below 2³¹. */
const isUnknownLength = (bytes: number): boolean => bytes >= 0x7fff_f000;

/** Twelve bytes: the form's name, its length, and what it is a form of. */
const HEADER = 12;
/** A name and a length. */
const CHUNK_HEADER = 8;
/** Nobody has as much to remark; a file of nothing but empty chunks would be walked through for minutes. */
const MOST_CHUNKS = 4096;

/** Sizes in RF64 stand in a chunk of their own, where the usual place holds all ones. */
const FORMS = { RIFF: false, RF64: true, BW64: true } as const;

/** The format and the samples of a WAVE file. @throws BAD_WAV, UNSUPPORTED_AUDIO */
export function findChunks(bytes: Bytes, at: string): { format: Chunk; data: Chunk } {
  const [form, wave] = bytes.length < HEADER ? ["", ""] : [fourCc(bytes, 0), fourCc(bytes, 8)];
  if (form === "RIFX") throw new LichenError("UNSUPPORTED_AUDIO", { at, found: form, wanted: "RIFF or RF64" });
  if (!Object.hasOwn(FORMS, form) || wave !== "WAVE")
    throw new LichenError("BAD_WAV", { at, wanted: "RIFF … WAVE or RF64 … WAVE" });
  const isLarge = FORMS[form as keyof typeof FORMS];

  let format: Chunk | undefined;
  let dataLength: number | undefined;
  for (const { id, chunk } of chunks(bytes, HEADER, at)) {
    if (id === "ds64" && isLarge) dataLength ??= largeDataLength(bytes, chunk, at);
    if (id === "fmt ") format ??= chunk;
    if (id !== "data") continue;
    if (!format) throw new LichenError("BAD_WAV", { at, found: "data before its format", wanted: "a fmt chunk" });
    const stated = isLarge && chunk.length === 0xffff_ffff ? (dataLength ?? chunk.length) : chunk.length;
    return { format, data: dataChunk(bytes, { ...chunk, length: stated }, at) };
  }
  throw new LichenError("BAD_WAV", { at, found: "no data chunk", wanted: "fmt and data chunks" });
}

function dataChunk(bytes: Bytes, { start, length }: Chunk, at: string): Chunk {
  const rest = bytes.length - start;
  const isUnknown = length > rest && isUnknownLength(length);
  if (isUnknown || (length === 0 && !isWellFormed(bytes, start, at))) return { start, length: rest, open: true };
  if (length <= rest) return { start, length, open: false };
  throw new LichenError("BAD_WAV", {
    at,
    found: `${rest} bytes of data`,
    wanted: `${length}, as the header says`,
  });
}

/** A ds64 chunk: the length of the whole, of the data, and of samples, 64 bits each. @see EBU Tech 3306 */
function largeDataLength(bytes: Bytes, { start, length }: Chunk, at: string): number {
  if (length < 16 || start + 16 > bytes.length)
    throw new LichenError("BAD_WAV", { at, found: `a ds64 chunk of ${length} bytes`, wanted: "28 or more" });
  // Above 2⁵³ it is no length that a file could have, and so an unknown one.
  return Number(viewOf(bytes.subarray(start + 8, start + 16)).getBigUint64(0, true));
}

/** Chunks begin at even offsets: a chunk of odd size is followed by one byte of padding. @throws BAD_WAV */
function* chunks(bytes: Bytes, from: number, at: string): Generator<{ id: string; chunk: Chunk }> {
  let count = 0;
  for (let offset = from; offset + CHUNK_HEADER <= bytes.length; ) {
    if (++count > MOST_CHUNKS)
      throw new LichenError("BAD_WAV", { at, found: `more than ${MOST_CHUNKS} chunks`, wanted: "fmt and data" });
    const length = viewOf(bytes.subarray(offset + 4, offset + 8)).getUint32(0, true);
    yield { id: fourCc(bytes, offset), chunk: { start: offset + CHUNK_HEADER, length, open: false } };
    offset += CHUNK_HEADER + length + (length % 2);
  }
}

/** Whether nothing but whole chunks follows, to tell an empty file with remarks at its end from a stream. */
function isWellFormed(bytes: Bytes, from: number, at: string): boolean {
  let end = from;
  try {
    for (const { chunk } of chunks(bytes, from, at)) end = chunk.start + chunk.length + (chunk.length % 2);
  } catch {
    return false;
  }
  return end === bytes.length || end === bytes.length + 1;
}

const fourCc = (bytes: Bytes, offset: number): string => String.fromCharCode(...bytes.subarray(offset, offset + 4));
