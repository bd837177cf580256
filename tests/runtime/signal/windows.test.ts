import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LichenError } from "../../../runtime/errors.ts";
import { seeded } from "../../../runtime/random/random.ts";
import {
  type Bytes,
  createPreprocessor,
  encodeWav,
  openRecording,
  WINDOW_POLICY,
  windowStarts,
} from "../../../runtime/signal/index.ts";
import { LOG_MEL, sound } from "./sound.ts";

const RATE = 1000;
const WINDOW = { windowSamples: 1000 };

/** Where windows of a second begin in a recording of one level per half second. */
const startsOf = (levels: number[], policy = WINDOW_POLICY, rateHz = RATE) => {
  const half = rateHz / 2;
  // Full scale, up and down, so that a level's mean power is its square.
  const samples = Float32Array.from(
    { length: levels.length * half },
    (_, n) => levels[Math.floor(n / half)]! * (-1) ** n,
  );
  const file = encodeWav({ sampleRateHz: rateHz, channels: [samples] });
  return windowStarts(openRecording(file, "x.wav", RATE), WINDOW, policy);
};

describe("the windows of a recording", () => {
  it("are one where there is no room for a second, and that is the loudest part, as ever", async () => {
    expect(startsOf([0.5])).toBeNull();
    expect(startsOf([0.5, 0.5])).toBeNull();
    const { windows, features } = createPreprocessor(LOG_MEL);
    const file = encodeWav({ sampleRateHz: 8000, channels: [sound(11_999)] });
    const [window, ...others] = await windows(file, "x.wav");
    expect(others).toEqual([]);
    expect(window).toMatchObject({ start: null, startSeconds: 0 });
    expect(await window!.features()).toEqual(await features(file, "x.wav"));
  });

  it("share a half with the next, unless told otherwise", () => {
    expect(startsOf([0.5, 0.5, 0.5])).toEqual([0, 500]);
    expect(startsOf([0.5, 0.5, 0.5, 0.5, 0.5])).toEqual([0, 500, 1000, 1500]);
    expect(startsOf([0.5, 0.5, 0.5, 0.5, 0.5, 0.5], { ...WINDOW_POLICY, overlap: 0 })).toEqual([0, 1000, 2000]);
  });

  it("reach the end, where more than half a step would be lost", () => {
    const ends = (length: number) =>
      windowStarts(
        openRecording(encodeWav({ sampleRateHz: RATE, channels: [new Float32Array(length).fill(0.5)] }), "x.wav", RATE),
        WINDOW,
        WINDOW_POLICY,
      );
    expect(ends(1700)).toEqual([0, 500]);
    expect(ends(1800)).toEqual([0, 500, 800]);
  });

  it("leave out what is far quieter than the loudest", () => {
    // 0.01 is 34 dB below 0.5.
    expect(startsOf([0.5, 0.5, 0.01, 0.01, 0.01, 0.5])).toEqual([0, 500, 2000]);
    expect(startsOf([0.5, 0.5, 0.01, 0.01, 0.01, 0.5], { ...WINDOW_POLICY, belowLoudestDecibels: 40 })).toHaveLength(5);
  });

  it("leave out what is nearly silent, however quiet the rest; where all is, the loudest stays", () => {
    // −62 and −54 dB.
    expect(startsOf([0.0008, 0.0008, 0.0008, 0.002, 0.002])).toEqual([1000, 1500]);
    expect(startsOf([0.0008, 0.0008, 0.0009, 0.0009, 0.0008])).toEqual([1000]);
    expect(startsOf([0, 0, 0, 0])).toEqual([0]);
  });

  it("are found at the recording's own rate", () => {
    expect(startsOf([0.5, 0.5, 0, 0, 0, 0.5, 0.5, 0], WINDOW_POLICY, 44_100)).toEqual([0, 500, 2000, 2500, 3000]);
    expect(startsOf([0.5, 0.5, 0, 0, 0, 0.5, 0.5, 0], WINDOW_POLICY, 500)).toEqual([0, 500, 2000, 2500, 3000]);
  });

  it("lie inside and in order, whatever the length, the rate and the overlap", () => {
    const numbers = fc.record({
      length: fc.integer({ min: 1, max: 9000 }),
      rateHz: fc.integer({ min: 300, max: 6000 }),
      overlap: fc.double({ min: 0, max: 0.95, noNaN: true }),
    });
    fc.assert(
      fc.property(numbers, ({ length, rateHz, overlap }) => {
        const file = encodeWav({ sampleRateHz: rateHz, channels: [new Float32Array(length).fill(0.5)] });
        const recording = openRecording(file, "x.wav", RATE);
        const starts = windowStarts(recording, WINDOW, { ...WINDOW_POLICY, overlap });
        if (starts === null) return;
        expect(starts.toSorted((a, b) => a - b)).toEqual(starts);
        expect(new Set(starts).size).toBe(starts.length);
        expect(starts[0]).toBe(0);
        expect(starts.at(-1)! + WINDOW.windowSamples).toBeLessThanOrEqual(recording.heard.length);
      }),
    );
  });
});

describe("a very long recording", () => {
  const RATE_HZ = 16_000;
  const MINUTES = 2;

  /** Minutes in stereo that exist only where they are looked at: a tone in every fourth second. */
  function longFile(minutes = MINUTES) {
    const header = encodeWav({ sampleRateHz: RATE_HZ, channels: [new Float32Array(0), new Float32Array(0)] });
    const dataBytes = minutes * 60 * RATE_HZ * 4;
    new DataView(header.buffer).setUint32(40, dataBytes, true);
    const read = { most: 0, all: 0 };
    const file: Bytes = {
      length: 44 + dataBytes,
      subarray(start, end) {
        read.most = Math.max(read.most, end - start);
        read.all += end - start;
        if (end <= 44) return header.subarray(start, end);
        const samples = Int16Array.from({ length: (end - start) / 2 }, (_, n) => {
          const frame = ((start - 44) >> 2) + (n >> 1);
          return Math.floor(frame / RATE_HZ) % 4 === 3 ? 8000 * Math.sin(frame / 5) : 0;
        });
        return new Uint8Array(samples.buffer);
      },
    };
    return { file, read };
  }

  it("is read once to find its windows, a block at a time, and then only where a window is", async () => {
    const { file, read } = longFile();
    const windows = await createPreprocessor(LOG_MEL).windows(file, "long.wav");
    expect(windows.map(({ startSeconds }) => startSeconds).slice(0, 4)).toEqual([2.5, 3, 3.5, 6.5]);
    expect(windows).toHaveLength((MINUTES * 60 * 3) / 4 - 1);
    expect(read.most).toBeLessThan(300_000);
    expect(read.all).toBeLessThan(file.length + 1000);
    read.all = 0;
    const { dims, data } = await windows.at(-1)!.features();
    expect(dims).toEqual([1, 1, 40, 61]);
    expect(data.some((value) => value > Math.log(LOG_MEL.powerFloor) + 1)).toBe(true);
    expect(read.all).toBeLessThan(100_000);
  });

  it("need not be very long for its windows to be read one by one", async () => {
    const { file, read } = longFile(1 / 3);
    const windows = await createPreprocessor(LOG_MEL).windows(file, "short.wav");
    expect(windows.length).toBeGreaterThan(10);
    read.all = 0;
    await windows.at(-1)!.features();
    await windows.at(-1)!.views([seeded(1), seeded(2)]);
    expect(read.all).toBeLessThan(file.length / 4);
  });

  it("has features, of its loudest part, without ever being in memory", async () => {
    const { file, read } = longFile();
    const { data } = await createPreprocessor(LOG_MEL).features(file, "long.wav");
    expect(data.some((value) => value > Math.log(LOG_MEL.powerFloor) + 1)).toBe(true);
    expect(read.most).toBeLessThan(2_000_000);
  });
});

describe("any bytes at all", () => {
  it("have windows or are refused, and so have their features and views", async () => {
    const { windows } = createPreprocessor({ kind: "waveform", sampleRateHz: 8000, windowSamples: 64 });
    const good = encodeWav({ sampleRateHz: 11_025, channels: [sound(400), sound(400)] });
    const damage = fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(damage, fc.nat(good.length), async (changes, end) => {
        const bytes = good.slice();
        for (const [at, value] of changes) bytes[at] = value;
        try {
          for (const { features } of (await windows(bytes.subarray(0, end), "x.wav")).slice(0, 5))
            expect((await features()).dims).toEqual([1, 64]);
        } catch (error) {
          expect(error).toBeInstanceOf(LichenError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
