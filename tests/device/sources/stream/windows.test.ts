import fc from "fast-check";
import { expect, test } from "vitest";
import { createWavStream, type RawFormat } from "../../../../device/sources/stream/wav-stream.ts";
import { createWindower, type StreamWindow } from "../../../../device/sources/stream/windows.ts";
import { openRecording } from "../../../../runtime/signal/recording.ts";
import { encodeWav } from "../../../../runtime/signal/wav.ts";
import { WINDOW_POLICY, windowStarts } from "../../../../runtime/signal/windows.ts";
import { chunked, joined } from "./chunks.ts";

const RATE = 100;
const MODEL = { windowSamples: 40, sampleRateHz: RATE };
const POLICY = { overlap: 0.5, floorDecibels: -60 };

const loud = (length: number, seed = 1): Float32Array =>
  Float32Array.from({ length }, (_, n) => Math.round(Math.sin(n * seed) * 20_000) / 32_768);
const wav = (samples: Float32Array, channels = 1) =>
  encodeWav({ sampleRateHz: RATE, channels: Array.from({ length: channels }, () => samples) });
/** As a writer to a pipe leaves it: both lengths unknown. */
function piped(file: Uint8Array, length: number): Uint8Array {
  const stream = file.slice();
  const view = new DataView(stream.buffer);
  view.setUint32(4, length, true);
  view.setUint32(40, length, true);
  return stream;
}

function windowsOf(chunks: readonly Uint8Array[], raw?: RawFormat, policy = POLICY) {
  const stream = createWavStream("test", raw);
  const windower = createWindower(MODEL, policy);
  const windows: StreamWindow[] = [];
  for (const chunk of chunks) for (const event of stream.push(chunk)) windows.push(...windower.push(event));
  windows.push(...windower.push({ tag: "end" }));
  return { windows, silent: windower.silent() };
}
const starts = ({ windows }: ReturnType<typeof windowsOf>) =>
  windows.map(({ startSeconds, sampleRateHz }) => Math.round(startSeconds * sampleRateHz));

test("windows of a stream are those of the same recording in a file", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 400 }), fc.constantFrom(0, 0.25, 0.5, 0.9), (length, overlap) => {
      const file = wav(loud(length));
      const recording = openRecording(file, "file", RATE);
      const inFile = windowStarts(recording, MODEL, { ...WINDOW_POLICY, overlap }) ?? [0];
      const found = windowsOf([file], undefined, { ...POLICY, overlap });
      // A file with no room for a second window is one window, its loudest part; a stream cannot look back.
      if (length < MODEL.windowSamples + Math.round(MODEL.windowSamples * (1 - overlap))) {
        expect(starts(found)[0]).toBe(0);
        return;
      }
      expect(starts(found)).toEqual(inFile);
      for (const { samples, startSeconds } of found.windows)
        expect(samples).toEqual(recording.recorded.cut(Math.round(startSeconds * RATE), MODEL.windowSamples));
    }),
  );
});

test("however a stream is cut, its windows are the same, bit by bit", () => {
  const stream = joined(piped(wav(loud(130), 2), 0xffff_ffff).subarray(0, 44), wav(loud(530, 0.3)).subarray(44));
  const several = joined(wav(loud(77)), wav(new Float32Array(90)), wav(loud(60, 2), 2));
  for (const bytes of [stream, several]) {
    const whole = windowsOf([bytes]);
    expect(whole.windows.length).toBeGreaterThan(3);
    fc.assert(fc.property(chunked(bytes), (chunks) => void expect(windowsOf(chunks)).toEqual(whole)));
    expect(windowsOf(Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)))).toEqual(whole);
  }
});

test.each([
  ["gstreamer", 0],
  ["sox", 0x7fff_f000],
  ["arecord", 0x8000_0000],
  ["ffmpeg", 0xffff_ffff],
])("the length that %s writes into a pipe is none", (_, length) => {
  expect(starts(windowsOf([piped(wav(loud(120)), length)]))).toEqual([0, 20, 40, 60, 80]);
});

test("remarks in front of the samples and behind them are passed over, those of odd length too", () => {
  const file = wav(loud(40));
  const remark = (name: string) => joined(new TextEncoder().encode(name), Uint8Array.of(3, 0, 0, 0, 65, 66, 67, 0));
  const stream = joined(file.subarray(0, 36), remark("LIST"), file.subarray(36), remark("ID3 "), wav(loud(45, 2)));
  expect(windowsOf([stream]).windows.map(({ samples }) => samples)).toEqual([loud(40), loud(45, 2).subarray(0, 40)]);
});

test("recordings that follow each other do not run into each other", () => {
  const { windows } = windowsOf([wav(loud(30)), wav(loud(20, 2))]);
  expect(windows.map(({ samples }) => samples)).toEqual([loud(30), loud(20, 2)]);
});

test("silence is skipped and counted", () => {
  const found = windowsOf([wav(Float32Array.from([...loud(60), ...new Float32Array(200), ...loud(60)]))]);
  expect(starts(found)).toEqual([0, 20, 40, 240, 260, 280]);
  expect(found.silent).toBe(9);
});

test.each([
  ["u8", 1],
  ["s16le", 2],
  ["s24le", 3],
  ["s32le", 4],
  ["f32le", 4],
] as const)("raw %s without a header, in any pieces", (encoding, width) => {
  const bytes = new Uint8Array(width * 2 * 90);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < 180; at++) {
    const value = at % 2 === 0 ? 0.5 : 0.25;
    if (encoding === "u8") view.setUint8(at, 128 + value * 128);
    else if (encoding === "s16le") view.setInt16(at * 2, value * 2 ** 15, true);
    else if (encoding === "s24le") view.setUint16(at * 3 + 1, value * 2 ** 15, true);
    else if (encoding === "s32le") view.setInt32(at * 4, value * 2 ** 31, true);
    else view.setFloat32(at * 4, value, true);
  }
  const raw = { sampleRateHz: RATE, channels: 2, encoding };
  const whole = windowsOf([bytes], raw);
  expect(starts(whole)).toEqual([0, 20, 40]);
  // The mean of both channels, exactly.
  for (const { samples } of whole.windows) expect(new Set(samples)).toEqual(new Set([0.375]));
  fc.assert(
    fc.property(chunked(bytes), (chunks) => void expect(windowsOf(chunks, raw)).toEqual(whole)),
    { numRuns: 20 },
  );
});

test("what is no WAV is refused by code, and any bytes give windows or a code", () => {
  const refusal = (bytes: Uint8Array) => {
    try {
      windowsOf([bytes]);
      return undefined;
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };
  expect(refusal(new TextEncoder().encode("arecord: main:830: audio open error"))).toBe("BAD_WAV");
  const file = wav(loud(100));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(file.length), (noise, at) => {
      for (const bytes of [noise, joined(file.subarray(0, at), noise), joined(file.subarray(0, 12), noise)])
        expect([undefined, "BAD_WAV", "UNSUPPORTED_AUDIO"]).toContain(refusal(bytes));
    }),
    { numRuns: 300 },
  );
});
