import { LichenError } from "../../../runtime/errors.ts";
import { openRecording } from "../../../runtime/signal/recording.ts";

/** A piece of continuous sound, all channels mixed into one. */
export interface SoundBlock {
  readonly sampleRateHz: number;
  readonly samples: Float32Array;
}

/** What a stream of sound consists of: blocks, and the ends of recordings that follow each other on it. */
export type SoundEvent = { readonly tag: "sound"; readonly block: SoundBlock } | { readonly tag: "end" };

/** Reads sound as it comes. Holds no more than one header or one frame. */
export interface SoundStream {
  /** @throws BAD_WAV, UNSUPPORTED_AUDIO: then the stream is of no use any more */
  push(bytes: Uint8Array): SoundEvent[];
}

/** Samples without a header, as `arecord -t raw` and most recorders' raw modes write them. */
export interface RawFormat {
  readonly sampleRateHz: number;
  readonly channels: number;
  readonly encoding: keyof typeof RAW_ENCODINGS;
}

/** WAVE's format tag and bits per sample, by ALSA's and ffmpeg's names. */
export const RAW_ENCODINGS = {
  u8: [1, 8],
  s16le: [1, 16],
  s24le: [1, 24],
  s32le: [1, 32],
  f32le: [3, 32],
} as const satisfies Record<string, readonly [tag: number, bits: number]>;

/** A format chunk is 16, 18 or 40 bytes. */
const MAX_FORMAT_BYTES = 64;
const UNKNOWN_LENGTH = 0xffff_ffff;
/** As in files: from here on a length is what a writer says that does not know it (sox 0x7ffff000, arecord 2³¹, ffmpeg 2³²−1). */
const isGuess = (bytes: number): boolean => bytes === 0 || bytes >= 0x7fff_f000;

type Phase =
  /** At the head of a recording. */
  | { readonly tag: "form" }
  | { readonly tag: "chunk"; readonly format: Uint8Array | null; readonly isAfterData: boolean }
  | { readonly tag: "format"; readonly bytes: number }
  | { readonly tag: "skip"; readonly bytes: number; readonly next: Phase }
  /** So many bytes are still to come, and padding, so that chunks begin at even offsets. */
  | {
      readonly tag: "data";
      readonly sound: Sound;
      readonly bytes: number;
      readonly padding: number;
      readonly isGuess: boolean;
    }
  /** Where a length ended that was but a guess: another recording begins, or this one goes on. */
  | { readonly tag: "crossroads"; readonly sound: Sound };

interface Step {
  readonly used: number;
  readonly next: Phase;
  readonly events: readonly SoundEvent[];
}

const AFTER_DATA: Phase = { tag: "chunk", format: null, isAfterData: true };

/** A header that the samples of a recording are decoded behind, piece by piece. */
interface Sound {
  readonly header: Uint8Array;
  readonly sampleRateHz: number;
  readonly frameBytes: number;
}

/**
 * A WAV that comes through a pipe: lengths may be unknown, chunks of remarks may stand in front, and one recording may follow another.
 * @param at what is being read, for errors
 * @param raw for samples without a header
 */
export function createWavStream(at: string, raw?: RawFormat): SoundStream {
  const start: Phase = raw === undefined ? { tag: "form" } : endless(soundOf(formatOf(raw)));
  let phase = start;
  let rest: Uint8Array = new Uint8Array();

  /** One step through what has come; null when it takes more. */
  function step(bytes: Uint8Array): Step | null {
    const take = (used: number, next: Phase, ...events: SoundEvent[]): Step => ({ used, next, events });
    switch (phase.tag) {
      case "form":
        if (bytes.length < 12) return null;
        assertForm(bytes, at);
        return take(12, { tag: "chunk", format: null, isAfterData: false });
      case "chunk": {
        if (bytes.length < 8) return null;
        const id = fourCc(bytes);
        const length = uint32(bytes, 4);
        if (phase.isAfterData && isFormName(id)) return take(0, { tag: "form" });
        if (id === "fmt ") {
          if (length > MAX_FORMAT_BYTES) throw badWav(at, `a format of ${length} bytes`, "16, 18 or 40");
          return take(8, { tag: "format", bytes: length });
        }
        if (!/^[\x20-\x7e]{4}$/.test(id))
          throw badWav(at, `a chunk named ${JSON.stringify(id)}`, "fmt and data chunks");
        if (id !== "data") return take(8, { tag: "skip", bytes: length + (length % 2), next: phase });
        if (phase.format === null) throw badWav(at, "data before its format", "a fmt chunk");
        const sound = soundOf(phase.format);
        return take(8, { tag: "data", sound, bytes: length, padding: length % 2, isGuess: isGuess(length) });
      }
      case "format": {
        const padded = phase.bytes + (phase.bytes % 2);
        if (bytes.length < padded) return null;
        return take(padded, {
          tag: "chunk",
          format: new Uint8Array(bytes.subarray(0, phase.bytes)),
          isAfterData: false,
        });
      }
      case "skip": {
        if (bytes.length === 0 && phase.bytes > 0) return null;
        const used = Math.min(bytes.length, phase.bytes);
        const left = phase.bytes - used;
        return take(used, left === 0 ? phase.next : { ...phase, bytes: left });
      }
      case "data":
        return data(bytes, phase);
      case "crossroads":
        if (bytes.length < 4) return null;
        if (isFormName(fourCc(bytes))) return take(0, { tag: "form" }, { tag: "end" });
        return take(0, endless(phase.sound));
    }
  }

  function data(bytes: Uint8Array, current: Extract<Phase, { tag: "data" }>): Step | null {
    const { sound, bytes: left } = current;
    const { frameBytes, sampleRateHz } = sound;
    if (current.isGuess && left < frameBytes) return { used: 0, next: { tag: "crossroads", sound }, events: [] };
    if (left < frameBytes) {
      // A last part of a frame is no sample.
      const next: Phase = { tag: "skip", bytes: left + current.padding, next: AFTER_DATA };
      return { used: 0, next, events: [{ tag: "end" }] };
    }
    const used = Math.floor(Math.min(bytes.length, left) / frameBytes) * frameBytes;
    if (used === 0) return null;
    const samples = decode(sound, bytes.subarray(0, used), at);
    return {
      used,
      next: { ...current, bytes: left - used },
      events: [{ tag: "sound", block: { sampleRateHz, samples } }],
    };
  }

  return {
    push(chunk) {
      const events: SoundEvent[] = [];
      let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let made = step(bytes); made !== null; made = step(bytes)) {
        phase = made.next;
        events.push(...made.events);
        bytes = bytes.subarray(made.used);
      }
      rest = new Uint8Array(bytes);
      return events;
    },
  };

  function soundOf(format: Uint8Array): Sound {
    const header = headerOf(format);
    const channels = uint16(format, 2);
    const bits = uint16(format, 14);
    // Decoding one frame of silence says whether the format is one of ours, as it does for files.
    const frameBytes = Math.max(1, (channels * bits) >> 3);
    decode({ header, sampleRateHz: 1, frameBytes }, new Uint8Array(frameBytes), at);
    return { header, sampleRateHz: uint32(format, 4), frameBytes };
  }
}

const endless = (sound: Sound): Phase => ({
  tag: "data",
  sound,
  bytes: Number.POSITIVE_INFINITY,
  padding: 0,
  isGuess: true,
});

/** Whole frames, as the decoder of files reads them. @throws BAD_WAV, UNSUPPORTED_AUDIO */
function decode({ header, sampleRateHz, frameBytes }: Sound, frames: Uint8Array, at: string): Float32Array {
  return openRecording(Buffer.concat([header, frames]), at, sampleRateHz).recorded.cut(0, frames.length / frameBytes);
}

/** RIFF, the format as it came, and a data chunk of unknown length. */
function headerOf(format: Uint8Array): Uint8Array {
  const header = Buffer.alloc(12 + 8 + format.length + (format.length % 2) + 8);
  header.write("RIFF", 0, "latin1");
  header.writeUInt32LE(UNKNOWN_LENGTH, 4);
  header.write("WAVEfmt ", 8, "latin1");
  header.writeUInt32LE(format.length, 16);
  header.set(format, 20);
  header.write("data", header.length - 8, "latin1");
  header.writeUInt32LE(UNKNOWN_LENGTH, header.length - 4);
  return header;
}

function formatOf({ sampleRateHz, channels, encoding }: RawFormat): Uint8Array {
  const [tag, bits] = RAW_ENCODINGS[encoding];
  const format = Buffer.alloc(16);
  const frameBytes = (channels * bits) / 8;
  format.writeUInt16LE(tag, 0);
  format.writeUInt16LE(channels, 2);
  format.writeUInt32LE(sampleRateHz, 4);
  format.writeUInt32LE(sampleRateHz * frameBytes, 8);
  format.writeUInt16LE(frameBytes, 12);
  format.writeUInt16LE(bits, 14);
  return format;
}

function assertForm(bytes: Uint8Array, at: string): void {
  const found = fourCc(bytes);
  if (isFormName(found) && fourCc(bytes.subarray(8)) === "WAVE") return;
  throw badWav(at, JSON.stringify(found), "RIFF … WAVE");
}

const isFormName = (name: string): boolean => name === "RIFF" || name === "RF64";
const fourCc = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, 4));
const uint16 = (bytes: Uint8Array, at: number): number => (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
const uint32 = (bytes: Uint8Array, at: number): number => uint16(bytes, at) + uint16(bytes, at + 2) * 2 ** 16;

const badWav = (at: string, found: string, wanted: string) => new LichenError("BAD_WAV", { at, found, wanted });
