import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32 } from "../../../../runtime/onnx/tensor.ts";
import { seeded } from "../../../../runtime/random/random.ts";
import { blank } from "../../../../runtime/signal/augment/blank.ts";
import { amplify, gain } from "../../../../runtime/signal/augment/gain.ts";
import { addNoise } from "../../../../runtime/signal/augment/noise.ts";
import { shift, shiftedWindow } from "../../../../runtime/signal/augment/shift.ts";
import { spectrumMask } from "../../../../runtime/signal/augment/spectrum-mask.ts";
import { fitWindow, samplesInMemory } from "../../../../runtime/signal/index.ts";
import { windowStart } from "../../../../runtime/signal/window.ts";
import { LOG_MEL, sound } from "../sound.ts";

const seed = fc.integer().map((value) => value >>> 0);
const energy = (samples: Float32Array) => samples.reduce((sum, sample) => sum + sample * sample, 0);
const decibels = (ratio: number) => 10 * Math.log10(ratio);

describe("a shift", () => {
  const card = { ...LOG_MEL, windowSamples: 1000, hopSamples: 100 };
  const click = (length: number, at: number) => new Float32Array(length).fill(1, at, at + 1);
  const positionIn = (values: Float32Array) => {
    const recording = samplesInMemory(values);
    return { recording, start: windowStart(recording, card), windowSamples: card.windowSamples };
  };

  it("moves a click by the samples given, in recordings of any length", () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 3000 }), fc.integer({ min: -100, max: 100 }), (length, later) => {
        const recording = click(length, length >> 1);
        const centred = fitWindow(samplesInMemory(recording), card).indexOf(1);
        const expected = centred + later;
        const found = shiftedWindow(positionIn(recording), later);
        expect(found).toHaveLength(card.windowSamples);
        expect(found.indexOf(1)).toBe(expected >= 0 && expected < card.windowSamples ? expected : -1);
      }),
    );
  });

  it("moves the recording in, where there is one, instead of silence", () => {
    const recording = new Float32Array(3000).fill(0.1).fill(1, 1000, 2000);
    const found = shiftedWindow(positionIn(recording), 50);
    expect(found.subarray(0, 50).every((sample) => sample === Math.fround(0.1))).toBe(true);
    expect(found.subarray(50).every((sample) => sample === 1)).toBe(true);
  });

  it("stays within the share of the window, and reaches both ends", () => {
    const random = seeded(1);
    const places = Array.from({ length: 2000 }, () =>
      shift(positionIn(click(1000, 500)), { windowShare: 0.1 }, random).indexOf(1),
    );
    expect(Math.min(...places)).toBe(400);
    expect(Math.max(...places)).toBe(600);
  });
});

describe("a gain", () => {
  it("changes the energy by the decibels given", () => {
    fc.assert(
      fc.property(fc.double({ min: -20, max: 20, noNaN: true }), (wanted) => {
        const samples = sound(2000);
        expect(decibels(energy(amplify(samples, wanted)) / energy(samples))).toBeCloseTo(wanted, 3);
      }),
    );
  });

  it("stays within its range, either way", () => {
    const random = seeded(2);
    const samples = sound(100);
    const drawn = Array.from({ length: 500 }, () =>
      decibels(energy(gain(samples, { decibels: 6 }, random)) / energy(samples)),
    );
    expect(Math.min(...drawn)).toBeGreaterThan(-6.001);
    expect(Math.min(...drawn)).toBeLessThan(-5.5);
    expect(Math.max(...drawn)).toBeLessThan(6.001);
    expect(Math.max(...drawn)).toBeGreaterThan(5.5);
  });
});

describe("noise", () => {
  it("has the power that the ratio says, within half a decibel, and is white", () => {
    fc.assert(
      fc.property(seed, fc.double({ min: 0, max: 40, noNaN: true }), (value, ratio) => {
        const samples = sound(8000);
        const added = addNoise(samples, ratio, seeded(value)).map((sample, n) => sample - samples[n]!);
        expect(Math.abs(decibels(energy(samples) / energy(added)) - ratio)).toBeLessThan(0.5);
        const neighbours = added.reduce((sum, sample, n) => sum + sample * (added[n + 1] ?? 0), 0);
        expect(Math.abs(neighbours / energy(added))).toBeLessThan(0.08);
      }),
    );
  });

  it("leaves silence silent, and has an odd number of samples where the sound has", () => {
    expect(addNoise(new Float32Array(7), 10, seeded(3))).toEqual(new Float32Array(7));
    expect([...addNoise(sound(7), 10, seeded(3))].every(Number.isFinite)).toBe(true);
  });
});

describe("masks of a spectrum", () => {
  const [mels, frames] = [40, 61];
  const ones = float32([1, 1, mels, frames], new Float32Array(mels * frames).fill(1));

  it("are whole bands and whole frames, next to each other and no more than the shares", () => {
    fc.assert(
      fc.property(seed, (value) => {
        const { dims, data } = spectrumMask(ones, { bandShare: 0.2, frameShare: 0.2 }, seeded(value));
        expect(dims).toEqual(ones.dims);
        const kept = (band: number, frame: number) => data[band * frames + frame] === 1;
        const bands = [...Array(mels).keys()].filter((band) => ![...Array(frames).keys()].some((t) => kept(band, t)));
        const times = [...Array(frames).keys()].filter((t) => ![...Array(mels).keys()].some((band) => kept(band, t)));
        expect(bands.length).toBeLessThanOrEqual(8);
        expect(times.length).toBeLessThanOrEqual(12);
        expect(bands).toEqual(bands.map((_, index) => bands[0]! + index));
        expect(times).toEqual(times.map((_, index) => times[0]! + index));
        const masked = mels * frames - (mels - bands.length) * (frames - times.length);
        expect(data.filter((feature) => feature === 0)).toHaveLength(masked);
      }),
    );
  });

  it("reach their shares and every edge", () => {
    const random = seeded(4);
    const drawn = Array.from({ length: 500 }, () => spectrumMask(ones, { bandShare: 0.2, frameShare: 0 }, random).data);
    const rows = drawn.map((data) => [...Array(mels).keys()].filter((band) => data[band * frames] === 0));
    expect(Math.max(...rows.map((row) => row.length))).toBe(8);
    expect(rows.some((row) => row[0] === 0)).toBe(true);
    expect(rows.some((row) => row.at(-1) === mels - 1)).toBe(true);
  });
});

describe("blanking", () => {
  it("fills the area in every channel and leaves the original alone", () => {
    const features = float32([1, 2, 2, 3], new Float32Array(12).fill(1));
    const { data } = blank(features, { top: 1, left: 1, rows: 1, columns: 2 });
    expect([...data]).toEqual([1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0]);
    expect(features.data.every((feature) => feature === 1)).toBe(true);
  });
});
