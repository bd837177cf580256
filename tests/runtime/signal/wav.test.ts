import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ErrorCode, LichenError } from "../../../runtime/errors.ts";
import { decodeWav, encodeWav } from "../../../runtime/signal/index.ts";

const ascii = (text: string) => [...new TextEncoder().encode(text)];
const u16 = (value: number) => [value & 255, (value >>> 8) & 255];
const u32 = (value: number) => [...u16(value & 0xffff), ...u16(value >>> 16)];
const chunk = (id: string, body: number[], size = body.length) => [
  ...ascii(id),
  ...u32(size),
  ...body,
  ...(size % 2 && size === body.length ? [0] : []),
];

interface Format {
  tag?: number;
  channels?: number;
  rate?: number;
  bits?: number;
  frameBytes?: number;
  extensible?: boolean;
}

function format({ tag = 1, channels = 1, rate = 8000, bits = 16, extensible = false, ...given }: Format = {}) {
  const frameBytes = given.frameBytes ?? (channels * bits) / 8;
  const head = [...u16(extensible ? 0xfffe : tag), ...u16(channels), ...u32(rate), ...u32(rate * frameBytes)];
  const guid = [...u16(tag), 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
  const tail = extensible ? [...u16(22), ...u16(bits), ...u32(0), ...guid] : [];
  return chunk("fmt ", [...head, ...u16(frameBytes), ...u16(bits), ...tail]);
}

const riff = (...chunks: number[][]) =>
  Uint8Array.from([...ascii("RIFF"), ...u32(4 + chunks.flat().length), ...ascii("WAVE"), ...chunks.flat()]);

const float64 = (...values: number[]) => [...new Uint8Array(Float64Array.from(values).buffer)];
const float32 = (...values: number[]) => [...new Uint8Array(Float32Array.from(values).buffer)];
const first = (bytes: Uint8Array) => [...decodeWav(bytes, "x.wav").channels[0]!];
const refusal = (bytes: Uint8Array): ErrorCode => {
  try {
    decodeWav(bytes, "x.wav");
  } catch (error) {
    if (error instanceof LichenError) return error.code;
    throw error;
  }
  throw new Error("nothing was refused");
};

const SAMPLES = chunk("data", [...u16(0x4000), ...u16(0x8000)]); // one half, minus one

describe("the encodings of a WAV", () => {
  it.each<[string, Format, number[], number[]]>([
    ["8-bit is unsigned", { bits: 8 }, [0, 128, 192], [-1, 0, 0.5]],
    ["16-bit", { bits: 16 }, [...u16(0x8000), ...u16(0), ...u16(0x4000)], [-1, 0, 0.5]],
    [
      "24-bit keeps the sign of full scale",
      { bits: 24 },
      [0, 0, 0x80, 0, 0, 0x40, 255, 255, 255],
      [-1, 0.5, -(2 ** -23)],
    ],
    ["32-bit", { bits: 32 }, [...u32(0x80000000), ...u32(0x40000000)], [-1, 0.5]],
    ["32-bit float, beyond full scale too", { tag: 3, bits: 32 }, float32(-1.5, 0.25), [-1.5, 0.25]],
    ["64-bit float", { tag: 3, bits: 64 }, float64(-0.5, 0.25), [-0.5, 0.25]],
    ["extensible PCM", { bits: 16, extensible: true }, u16(0x4000), [0.5]],
    ["extensible float", { tag: 3, bits: 32, extensible: true }, float32(0.25), [0.25]],
  ])("%s", (_, described, data, samples) => {
    expect(first(riff(format(described), chunk("data", data)))).toEqual(samples);
  });

  it("takes channels apart", () => {
    const bytes = riff(format({ channels: 2, rate: 44100 }), SAMPLES);
    expect(decodeWav(bytes, "x.wav")).toEqual({
      sampleRateHz: 44100,
      channels: [Float32Array.of(0.5), Float32Array.of(-1)],
    });
  });

  it("reads bytes that begin at an odd place of a larger buffer", () => {
    const bytes = riff(format({ tag: 3, bits: 32 }), chunk("data", float32(0.25)));
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    expect(first(shifted.subarray(1))).toEqual([0.25]);
  });
});

describe("what writers leave around the samples", () => {
  it.each<[string, Uint8Array]>([
    ["a chunk of odd size before the data", riff(format(), chunk("LIST", [1, 2, 3]), SAMPLES)],
    ["a chunk after the data", riff(format(), SAMPLES, chunk("LIST", [1, 2]))],
    ["a data size of 0, from a stream", riff(format(), chunk("data", [...u16(0x4000), ...u16(0x8000)], 0))],
    ["a data size of 0xFFFFFFFF, from a stream", riff(format(), chunk("data", [0, 0x40, 0, 0x80], 0xffffffff))],
    ["a stream cut inside a frame", riff(format(), chunk("data", [0, 0x40, 0, 0x80, 7], 0xffffffff))],
    ["sox's size for pipes", riff(format(), chunk("data", [0, 0x40, 0, 0x80], 0x7ffff000))],
    ["a RIFF size that is wrong", riff(format(), SAMPLES).fill(255, 4, 8)],
  ])("%s is no hindrance", (_, bytes) => {
    expect(first(bytes)).toEqual([0.5, -1]);
  });
});

describe("what is refused, and how", () => {
  it.each<[string, Uint8Array, ErrorCode]>([
    ["no bytes", new Uint8Array(), "BAD_WAV"],
    ["another file", Uint8Array.from(ascii("\x89PNG and so on and on")), "BAD_WAV"],
    ["big-endian files", Uint8Array.from([...ascii("RIFX"), ...u32(4), ...ascii("WAVE")]), "UNSUPPORTED_AUDIO"],
    ["files without data", riff(format()), "BAD_WAV"],
    ["data before its format", riff(SAMPLES, format()), "BAD_WAV"],
    ["a format cut short", riff(chunk("fmt ", [1, 0, 1, 0]), SAMPLES), "BAD_WAV"],
    [
      "an extensible format without its GUID",
      riff(chunk("fmt ", format({ tag: 0xfffe }).slice(8)), SAMPLES),
      "BAD_WAV",
    ],
    ["data cut short", riff(format(), SAMPLES).slice(0, -1), "BAD_WAV"],
    ["half a frame", riff(format(), chunk("data", [1, 2, 3])), "BAD_WAV"],
    ["frames of another size than the format's", riff(format({ frameBytes: 4 }), SAMPLES), "BAD_WAV"],
    ["no samples", riff(format(), chunk("data", [])), "EMPTY_AUDIO"],
    ["no samples, but remarks", riff(format(), chunk("data", []), chunk("LIST", [1, 2, 3, 4])), "EMPTY_AUDIO"],
    ["NaN", riff(format({ tag: 3, bits: 32 }), chunk("data", float32(0.5, Number.NaN))), "BAD_WAV"],
    ["infinity", riff(format({ tag: 3, bits: 64 }), chunk("data", float64(Number.NEGATIVE_INFINITY))), "BAD_WAV"],
    ["A-law", riff(format({ tag: 6, bits: 8 }), SAMPLES), "UNSUPPORTED_AUDIO"],
    ["12-bit", riff(format({ bits: 12 }), SAMPLES), "UNSUPPORTED_AUDIO"],
    ["nine channels", riff(format({ channels: 9 }), SAMPLES), "UNSUPPORTED_AUDIO"],
    ["no channel", riff(format({ channels: 0 }), SAMPLES), "UNSUPPORTED_AUDIO"],
    ["a rate of 0", riff(format({ rate: 0 }), SAMPLES), "UNSUPPORTED_AUDIO"],
  ])("%s", (_, bytes, code) => {
    expect(refusal(bytes)).toBe(code);
  });

  it("names the encoding it met and those it knows", () => {
    expect(() => decodeWav(riff(format({ tag: 6, bits: 8 }), SAMPLES), "a.wav")).toThrow(/a\.wav.*A-law 8.*pcm 16/);
  });
});

describe("any bytes at all", () => {
  const decodesOrRefuses = (bytes: Uint8Array) => {
    try {
      for (const channel of decodeWav(bytes, "x.wav").channels) expect(channel.every(Number.isFinite)).toBe(true);
    } catch (error) {
      expect(error).toBeInstanceOf(LichenError);
    }
  };

  it("are decoded or refused, never crashed on", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), decodesOrRefuses));
  });

  it("are decoded or refused where a good file was damaged", () => {
    const good = riff(format({ channels: 2 }), chunk("LIST", [1, 2, 3]), chunk("data", [1, 2, 3, 4, 5, 6, 7, 8]));
    const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(damage, fc.nat(good.length), (changes, end) => {
        const bytes = good.slice();
        for (const [at, value] of changes) bytes[at] = value;
        decodesOrRefuses(bytes.subarray(0, end));
      }),
      { numRuns: 1000 },
    );
  });

  it("come back from encoding as they were, at 16 bits", () => {
    const sounds = fc.integer({ min: 1, max: 8 }).chain((channels) =>
      fc.integer({ min: 1, max: 20 }).chain((frames) =>
        fc.record({
          sampleRateHz: fc.integer({ min: 1, max: 192_000 }),
          channels: fc.array(
            fc
              .array(fc.integer({ min: -32768, max: 32767 }), { minLength: frames, maxLength: frames })
              .map((values) => Float32Array.from(values, (value) => value / 32768)),
            { minLength: channels, maxLength: channels },
          ),
        }),
      ),
    );
    fc.assert(fc.property(sounds, (sound) => void expect(decodeWav(encodeWav(sound), "x.wav")).toEqual(sound)));
  });
});
