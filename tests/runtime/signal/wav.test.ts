import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ErrorCode, LichenError } from "../../../runtime/errors.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { decodeWav, encodeWav, openWav } from "../../../runtime/signal/index.ts";

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

/** With its sizes in a ds64 chunk, as writers do beyond 4 GiB. */
const rf64 = (form: "RF64" | "BW64", dataLength: bigint, ...chunks: number[][]) => {
  const u64 = (value: bigint) => [...new Uint8Array(BigUint64Array.of(value).buffer)];
  const body = [...chunk("ds64", [...u64(99n), ...u64(dataLength), ...u64(0n), ...u32(0)]), ...chunks.flat()];
  return Uint8Array.from([...ascii(form), ...u32(0xffffffff), ...ascii("WAVE"), ...body]);
};

describe("files made for more than 4 GiB", () => {
  const data = (bytes: number[], stated = 0xffffffff) => chunk("data", bytes, stated);

  it.each(["RF64", "BW64"] as const)("%s are as long as their ds64 chunk says", (form) => {
    const bytes = rf64(form, 4n, format(), data([...u16(0x4000), ...u16(0x8000)]), chunk("LIST", [1, 2]));
    expect(first(bytes)).toEqual([0.5, -1]);
  });

  it.each<[string, bigint]>([
    ["as they began, with no length yet", 0xffff_ffff_ffff_ffffn],
    ["with an impossible one", 2n ** 60n],
  ])("go to the end of the file where they were left %s", (_, length) => {
    expect(first(rf64("RF64", length, format(), data([...u16(0x4000), ...u16(0x8000), 7])))).toEqual([0.5, -1]);
  });

  it("are refused where they are shorter than they say, or say nothing", () => {
    expect(refusal(rf64("RF64", 4n, format(), data([...u16(0x4000)])))).toBe("BAD_WAV");
    const cut = [...ascii("RF64"), ...u32(0xffffffff), ...ascii("WAVE"), ...chunk("ds64", [1, 2, 3, 4])];
    expect(refusal(Uint8Array.from([...cut, ...format(), ...data([0, 0])]))).toBe("BAD_WAV");
  });

  it("may have a usual size in the usual place", () => {
    expect(first(rf64("RF64", 0n, format(), SAMPLES))).toEqual([0.5, -1]);
  });

  it("are read where they are asked, byte ranges beyond 4 GiB too", () => {
    // Two channels of silence, and full scale where the second sample behind 5 GiB is.
    const header = rf64("RF64", 6n * 2n ** 30n, format({ channels: 2 }), data([]));
    const length = header.length + 6 * 2 ** 30;
    const loud = header.length + 5 * 2 ** 30 + 4;
    const {
      channels,
      length: frames,
      read,
    } = openWav(
      {
        length,
        subarray: (start, end) =>
          Uint8Array.from({ length: end - start }, (_, n) => header[start + n] ?? (start + n === loud + 3 ? 0x80 : 0)),
      },
      "x.wav",
    );
    expect([channels, frames]).toEqual([2, (6 * 2 ** 30) / 4]);
    expect(read((5 * 2 ** 30) / 4, 3)).toEqual([Float32Array.of(0, 0, 0), Float32Array.of(0, -1, 0)]);
  });
});

describe("a file of nothing but chunks", () => {
  it("is not walked through for ever", () => {
    const empty = Uint8Array.from([...ascii("RIFF"), ...u32(80_004), ...ascii("WAVE"), ...new Uint8Array(80_000)]);
    expect(() => decodeWav(empty, "x.wav")).toThrow(/BAD_WAV.*4096 chunks/);
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

  it.each([
    ["a good", riff(format({ channels: 2 }), chunk("LIST", [1, 2, 3]), chunk("data", [1, 2, 3, 4, 5, 6, 7, 8]))],
    ["a large", rf64("RF64", 8n, format({ channels: 2 }), chunk("data", [1, 2, 3, 4, 5, 6, 7, 8], 0xffffffff))],
  ])("are decoded or refused where %s file was damaged", (_, good) => {
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

  it("written in any encoding, with any chunks around and any way to state the length, give the samples back", () => {
    const encodings = fc.constantFrom<[tag: number, bits: number]>([1, 8], [1, 16], [1, 24], [1, 32], [3, 32], [3, 64]);
    const remarks = fc.array(fc.array(fc.nat(255), { maxLength: 9 }), { maxLength: 3 });
    const written = fc.record({
      encoding: encodings,
      channels: fc.integer({ min: 1, max: 8 }),
      frames: fc.integer({ min: 1, max: 12 }),
      rate: fc.integer({ min: 1, max: 768_000 }),
      extensible: fc.boolean(),
      length: fc.constantFrom("stated", "zero", "ones", "sox", "ds64"),
      before: remarks,
      after: remarks,
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(written, ({ encoding: [tag, bits], channels, frames, rate, length, before, after, ...given }) => {
        const random = seeded(given.seed);
        const samples = Array.from({ length: channels * frames }, () => written24(random));
        const data = samples.flatMap((sample) => encoded(tag, bits, sample));
        const head = [...before.map((body) => chunk("LIST", body)), format({ tag, bits, channels, rate, ...given })];
        const tail = length === "stated" || length === "ds64" ? after.map((body) => chunk("note", body)) : [];
        const padded = chunk("data", data);
        const sized = (size: number) => [...padded.slice(0, 4), ...u32(size), ...padded.slice(8)];
        const bytes = {
          stated: () => riff(...head, padded, ...tail),
          // What is odd would be taken for a sample more, as nobody says where the data ends.
          zero: () => riff(...head, chunk("data", data, 0)),
          ones: () => riff(...head, chunk("data", data, 0xffffffff)),
          sox: () => riff(...head, chunk("data", data, 0x7ffff000)),
          ds64: () => rf64("RF64", BigInt(data.length), ...head, sized(0xffffffff), ...tail),
        }[length]();
        const sound = decodeWav(bytes, "x.wav");
        expect(sound.sampleRateHz).toBe(rate);
        expect(sound.channels).toHaveLength(channels);
        const found = Array.from({ length: frames }, (_, n) => sound.channels.map((channel) => channel[n]!)).flat();
        // Integers are the next step below.
        const step = tag === 3 ? 0 : 2 / 2 ** Math.min(bits, 24);
        for (const [at, sample] of samples.entries()) expect(Math.abs(found[at]! - sample)).toBeLessThanOrEqual(step);
      }),
      { numRuns: 500 },
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

/** A sample that 24 bits hold. */
const written24 = (random: () => number): number => Math.floor(random() * 2 ** 24 - 2 ** 23) / 2 ** 23;

/** Little-endian, as a WAV holds it. */
function encoded(tag: number, bits: number, sample: number): number[] {
  if (tag === 3) return bits === 32 ? float32(sample) : float64(sample);
  const step = Math.floor(sample * 2 ** (bits - 1)) + (bits === 8 ? 128 : 0);
  return [...new Uint8Array(BigInt64Array.of(BigInt(step)).buffer)].slice(0, bits / 8);
}
