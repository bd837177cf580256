import { LichenError } from "../errors.ts";

/** A sound as it was recorded: one array per channel, full scale ±1 (float files may exceed it). */
export interface Sound {
  sampleRateHz: number;
  channels: Float32Array[];
}

const MAX_CHANNELS = 8;
const MAX_SAMPLE_RATE_HZ = 768_000;

/** Writers to a pipe cannot know the length: they leave 0, all ones, or (sox) a number just below 2³¹. */
const isUnknownLength = (bytes: number): boolean => bytes >= 0x7fff_f000;

/** By format tag and bits per sample. Integers are scaled by a power of two, so that silence and full scale are exact. */
const ENCODINGS: Readonly<Record<string, (view: DataView, offset: number) => number>> = {
  "pcm 8": (view, offset) => (view.getUint8(offset) - 128) / 2 ** 7,
  "pcm 16": (view, offset) => view.getInt16(offset, true) / 2 ** 15,
  "pcm 24": (view, offset) => (view.getInt8(offset + 2) * 2 ** 16 + view.getUint16(offset, true)) / 2 ** 23,
  "pcm 32": (view, offset) => view.getInt32(offset, true) / 2 ** 31,
  "float 32": (view, offset) => view.getFloat32(offset, true),
  "float 64": (view, offset) => view.getFloat64(offset, true),
};

const FORMAT_TAGS: Readonly<Record<number, string>> = { 1: "pcm", 3: "float", 6: "A-law", 7: "µ-law", 17: "ADPCM" };
const EXTENSIBLE = 0xfffe;

/**
 * Reads a RIFF WAVE file: 8 to 32-bit PCM, 32 and 64-bit float, plain or extensible, up to eight channels, any rate,
 * and what streaming writers leave behind. Nothing is repaired: a file cut short may be one that is still being copied.
 * @throws BAD_WAV, EMPTY_AUDIO, UNSUPPORTED_AUDIO
 * @see Multimedia Programming Interface and Data Specifications 1.0 (RIFF); Multiple Channel Audio Data and WAVE Files
 */
export function decodeWav(bytes: Uint8Array, at: string): Sound {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { format, data } = findChunks(view, at);
  const { encoding, channels: channelCount, sampleRateHz, frameBytes } = parseFormat(view, format, at);
  if (data.length % frameBytes !== 0 && !data.open) {
    throw new LichenError("BAD_WAV", {
      at,
      found: `${data.length} bytes of data`,
      wanted: `whole ${frameBytes}-byte frames`,
    });
  }
  const frames = Math.floor(data.length / frameBytes);
  if (frames === 0) throw new LichenError("EMPTY_AUDIO", { at });

  const read = ENCODINGS[encoding]!;
  const sampleBytes = frameBytes / channelCount;
  const channels = Array.from({ length: channelCount }, (_, channel) => {
    const samples = new Float32Array(frames);
    for (let frame = 0; frame < frames; frame++) {
      const sample = read(view, data.start + frame * frameBytes + channel * sampleBytes);
      // One NaN would spread through the spectrum into every feature, and from there into the adapter.
      if (!Number.isFinite(sample))
        throw new LichenError("BAD_WAV", { at: `${at}: sample ${frame}`, found: sample, wanted: "a number" });
      samples[frame] = sample;
    }
    return samples;
  });
  return { sampleRateHz, channels };
}

interface Chunk {
  start: number;
  length: number;
  /** The writer did not know the length: the data goes to the end of the file and may end inside a frame. */
  open: boolean;
}

function findChunks(view: DataView, at: string): { format: Chunk; data: Chunk } {
  const [riff, wave] = view.byteLength < 12 ? ["", ""] : [fourCc(view, 0), fourCc(view, 8)];
  if (riff === "RIFX" || riff === "RF64")
    throw new LichenError("UNSUPPORTED_AUDIO", { at, found: riff, wanted: "RIFF" });
  if (riff !== "RIFF" || wave !== "WAVE") throw new LichenError("BAD_WAV", { at, wanted: "RIFF … WAVE" });

  let format: Chunk | undefined;
  for (const { id, chunk } of chunks(view, 12)) {
    if (id === "fmt ") format ??= chunk;
    if (id !== "data") continue;
    if (!format) throw new LichenError("BAD_WAV", { at, found: "data before its format", wanted: "a fmt chunk" });
    const rest = view.byteLength - chunk.start;
    if (isUnknownLength(chunk.length) || (chunk.length === 0 && !isWellFormed(view, chunk.start))) {
      return { format, data: { start: chunk.start, length: rest, open: true } };
    }
    if (chunk.length > rest) {
      throw new LichenError("BAD_WAV", {
        at,
        found: `${rest} bytes of data`,
        wanted: `${chunk.length}, as the header says`,
      });
    }
    return { format, data: chunk };
  }
  throw new LichenError("BAD_WAV", { at, found: "no data chunk", wanted: "fmt and data chunks" });
}

/** Chunks begin at even offsets: a chunk of odd size is followed by one byte of padding. */
function* chunks(view: DataView, from: number): Generator<{ id: string; chunk: Chunk }> {
  for (let offset = from; offset + 8 <= view.byteLength; ) {
    const length = view.getUint32(offset + 4, true);
    yield { id: fourCc(view, offset), chunk: { start: offset + 8, length, open: false } };
    offset += 8 + length + (length % 2);
  }
}

/** Whether nothing but whole chunks follows, to tell an empty file with remarks at its end from a stream. */
function isWellFormed(view: DataView, from: number): boolean {
  let end = from;
  for (const { chunk } of chunks(view, from)) end = chunk.start + chunk.length + (chunk.length % 2);
  return end === view.byteLength || end === view.byteLength + 1;
}

function parseFormat(view: DataView, { start, length }: Chunk, at: string) {
  if (length < 16 || start + length > view.byteLength) {
    throw new LichenError("BAD_WAV", { at, found: `a format of ${length} bytes`, wanted: "16, 18 or 40" });
  }
  const tag = view.getUint16(start, true);
  const channels = view.getUint16(start + 2, true);
  const sampleRateHz = view.getUint32(start + 4, true);
  const frameBytes = view.getUint16(start + 12, true);
  const bits = view.getUint16(start + 14, true);
  if (tag === EXTENSIBLE && length < 40) {
    throw new LichenError("BAD_WAV", { at, found: `an extensible format of ${length} bytes`, wanted: 40 });
  }
  // The extensible format's GUID begins with the tag that would have stood in front.
  const codec = tag === EXTENSIBLE ? view.getUint16(start + 24, true) : tag;
  const encoding = `${FORMAT_TAGS[codec] ?? `format ${codec}`} ${bits}`;
  if (!Object.hasOwn(ENCODINGS, encoding)) {
    throw new LichenError("UNSUPPORTED_AUDIO", { at, found: encoding, wanted: Object.keys(ENCODINGS).join(", ") });
  }
  if (channels < 1 || channels > MAX_CHANNELS) {
    throw new LichenError("UNSUPPORTED_AUDIO", { at, found: `${channels} channels`, wanted: `1 to ${MAX_CHANNELS}` });
  }
  if (sampleRateHz < 1 || sampleRateHz > MAX_SAMPLE_RATE_HZ) {
    throw new LichenError("UNSUPPORTED_AUDIO", {
      at,
      found: `${sampleRateHz} Hz`,
      wanted: `1 to ${MAX_SAMPLE_RATE_HZ} Hz`,
    });
  }
  if (frameBytes !== (channels * bits) / 8) {
    throw new LichenError("BAD_WAV", {
      at,
      found: `frames of ${frameBytes} bytes`,
      wanted: `${channels} × ${bits} bits`,
    });
  }
  return { encoding, channels, sampleRateHz, frameBytes };
}

const fourCc = (view: DataView, offset: number): string =>
  String.fromCharCode(...[0, 1, 2, 3].map((index) => view.getUint8(offset + index)));

/** Writes 16-bit PCM; what exceeds full scale is clipped. */
export function encodeWav({ sampleRateHz, channels }: Sound): Uint8Array {
  const frames = channels[0]?.length ?? 0;
  const frameBytes = channels.length * 2;
  const bytes = new Uint8Array(44 + frames * frameBytes);
  const view = new DataView(bytes.buffer);
  const text = (offset: number, value: string) => bytes.set(new TextEncoder().encode(value), offset);
  text(0, "RIFF");
  view.setUint32(4, bytes.length - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels.length, true);
  view.setUint32(24, sampleRateHz, true);
  view.setUint32(28, sampleRateHz * frameBytes, true);
  view.setUint16(32, frameBytes, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, frames * frameBytes, true);
  channels.forEach((samples, channel) => {
    for (let frame = 0; frame < frames; frame++) {
      const sample = Math.max(-32768, Math.min(32767, Math.round(samples[frame]! * 32768)));
      view.setInt16(44 + frame * frameBytes + channel * 2, sample, true);
    }
  });
  return bytes;
}
