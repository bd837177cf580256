import { LichenError } from "../errors.ts";
import { type Bytes, viewOf } from "./bytes.ts";
import { findChunks } from "./riff.ts";

/** A sound as it was recorded: one array per channel, full scale ±1 (float files may exceed it). */
export interface Sound {
  sampleRateHz: number;
  channels: Float32Array[];
}

/** A sound that is decoded where it is asked for. */
export interface WavFile {
  sampleRateHz: number;
  channels: number;
  /** Samples of each channel. */
  length: number;
  /** Samples of every channel, within the sound. @throws BAD_WAV for a sample that is no number */
  read(start: number, length: number): Float32Array[];
}

const MAX_CHANNELS = 8;
const MAX_SAMPLE_RATE_HZ = 768_000;

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

/** Reads a whole WAV. @throws as `openWav`, and BAD_WAV for a sample that is no number */
export function decodeWav(bytes: Bytes, at: string): Sound {
  const { sampleRateHz, length, read } = openWav(bytes, at);
  return { sampleRateHz, channels: read(0, length) };
}

/**
 * Reads the header of a RIFF WAVE file: 8 to 32-bit PCM, 32 and 64-bit float, plain or extensible, up to eight channels, any rate,
 * longer than 4 GiB (RF64), and what streaming writers leave behind. Nothing is repaired: a file cut short may be one that is still
 * being copied.
 * @throws BAD_WAV, EMPTY_AUDIO, UNSUPPORTED_AUDIO
 * @see Multimedia Programming Interface and Data Specifications 1.0 (RIFF); Multiple Channel Audio Data and WAVE Files; EBU Tech 3306
 */
export function openWav(bytes: Bytes, at: string): WavFile {
  const { format, data } = findChunks(bytes, at);
  const { encoding, channels, sampleRateHz, frameBytes } = parseFormat(
    viewOf(bytes.subarray(format.start, Math.min(format.start + format.length, bytes.length))),
    at,
  );
  if (data.length % frameBytes !== 0 && !data.open) {
    throw new LichenError("BAD_WAV", {
      at,
      found: `${data.length} bytes of data`,
      wanted: `whole ${frameBytes}-byte frames`,
    });
  }
  const length = Math.floor(data.length / frameBytes);
  if (length === 0) throw new LichenError("EMPTY_AUDIO", { at });

  const decode = ENCODINGS[encoding]!;
  const sampleBytes = frameBytes / channels;
  return {
    ...{ sampleRateHz, channels, length },
    read(start, count) {
      const first = data.start + start * frameBytes;
      const view = viewOf(bytes.subarray(first, first + count * frameBytes));
      return Array.from({ length: channels }, (_, channel) => {
        const samples = new Float32Array(count);
        for (let frame = 0; frame < count; frame++) {
          const sample = decode(view, frame * frameBytes + channel * sampleBytes);
          // One NaN would spread through the spectrum into every feature, and from there into the adapter.
          if (!Number.isFinite(sample))
            throw new LichenError("BAD_WAV", {
              at: `${at}: sample ${start + frame}`,
              found: sample,
              wanted: "a number",
            });
          samples[frame] = sample;
        }
        return samples;
      });
    },
  };
}

/** @param view the fmt chunk, as far as the file goes */
function parseFormat(view: DataView, at: string) {
  const length = view.byteLength;
  if (length < 16)
    throw new LichenError("BAD_WAV", { at, found: `a format of ${length} bytes`, wanted: "16, 18 or 40" });
  const tag = view.getUint16(0, true);
  const channels = view.getUint16(2, true);
  const sampleRateHz = view.getUint32(4, true);
  const frameBytes = view.getUint16(12, true);
  const bits = view.getUint16(14, true);
  if (tag === EXTENSIBLE && length < 40) {
    throw new LichenError("BAD_WAV", { at, found: `an extensible format of ${length} bytes`, wanted: 40 });
  }
  // The extensible format's GUID begins with the tag that would have stood in front.
  const codec = tag === EXTENSIBLE ? view.getUint16(24, true) : tag;
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
