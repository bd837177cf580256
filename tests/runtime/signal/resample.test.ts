import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resample, samplesInMemory } from "../../../runtime/signal/index.ts";
import { resampled } from "../../../runtime/signal/resample.ts";
import { reference, scipyDefaults, sound } from "./sound.ts";

const sine = (hz: number, rateHz: number, length: number) =>
  Float32Array.from({ length }, (_, n) => Math.sin((2 * Math.PI * hz * n) / rateHz));

const loudest = (values: Float32Array) => values.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0);

describe("resampling", () => {
  it.each(reference.resampled)("agrees with scipy from $fromHz to $toHz Hz", ({ fromHz, toHz, length, head }) => {
    const output = resample(sound(600), fromHz, toHz);
    expect(output.length).toBe(length);
    head.forEach((value, n) => void expect(Math.abs(output[n]! - value)).toBeLessThan(1e-4));
  });

  it("leaves the sound alone where the rates agree", () => {
    const samples = sound(10);
    expect(resample(samples, 8000, 8000)).toBe(samples);
  });

  it("keeps a sine below both Nyquist frequencies, at any ratio", () => {
    const rates = fc.integer({ min: 4000, max: 50_000 });
    fc.assert(
      fc.property(rates, rates, fc.double({ min: 0.02, max: 0.4, noNaN: true }), (fromHz, toHz, part) => {
        const hz = part * Math.min(fromHz, toHz);
        const output = resample(sine(hz, fromHz, 1200), fromHz, toHz);
        // Away from the ends, where the silence around the sound is heard.
        const margin = Math.ceil(40 * Math.max(1, toHz / fromHz));
        const expected = sine(hz, toHz, output.length);
        const error = output
          .map((value, n) => value - expected[n]!)
          .subarray(margin, Math.max(margin, output.length - margin));
        expect(loudest(error)).toBeLessThan(2e-3);
      }),
      { numRuns: 60 },
    );
  });

  it("lets nothing through that the lower rate cannot hold", () => {
    const output = resample(sine(6000, 44_100, 44_100), 44_100, 8000);
    expect(loudest(output.subarray(100, -100))).toBeLessThan(2e-4);
  });

  /** How much louder a sine comes out, in decibels, away from the ends. */
  const decibelsOf = (hz: number, fromHz: number, toHz: number) => {
    const output = resample(sine(hz, fromHz, fromHz), fromHz, toHz);
    const middle = output.subarray(Math.floor(output.length / 10), -Math.floor(output.length / 10));
    return 10 * Math.log10((2 * middle.reduce((sum, value) => sum + value * value, 0)) / middle.length);
  };

  it.each(scipyDefaults)(
    "keeps and stops more than scipy's default filter does, from $fromHz to $toHz Hz",
    ({ fromHz, toHz, hertz, decibels }) => {
      for (const [at, hz] of hertz.entries()) {
        const gain = decibelsOf(hz, fromHz, toHz);
        if (hz < Math.min(fromHz, toHz) / 2) expect(Math.abs(gain)).toBeLessThan(Math.abs(decibels[at]!));
        else expect(gain).toBeLessThan(decibels[at]!);
      }
    },
  );

  it.each([
    [44_100, 16_000],
    [48_000, 16_000],
    [16_000, 8000],
    [8000, 16_000],
  ])("from %i to %i Hz is flat to 0.01 dB below 0.85 of Nyquist, and 80 dB down beyond 1.2", (fromHz, toHz) => {
    const nyquist = Math.min(fromHz, toHz) / 2;
    for (const share of [0.05, 0.3, 0.6, 0.85])
      expect(Math.abs(decibelsOf(share * nyquist, fromHz, toHz))).toBeLessThan(0.01);
    for (const share of [1.2, 1.31, 1.6, 1.93]) {
      if (share * nyquist < fromHz / 2) expect(decibelsOf(share * nyquist, fromHz, toHz)).toBeLessThan(-80);
    }
  });

  it("of a part is what it is of the whole, wherever the part lies", () => {
    const numbers = fc.record({
      fromHz: fc.integer({ min: 1000, max: 50_000 }),
      toHz: fc.integer({ min: 1000, max: 50_000 }),
      length: fc.integer({ min: 1, max: 1500 }),
      start: fc.integer({ min: -50, max: 2000 }),
      count: fc.integer({ min: 0, max: 300 }),
    });
    fc.assert(
      fc.property(numbers, ({ fromHz, toHz, length, start, count }) => {
        const samples = sound(length);
        const whole = resample(samples, fromHz, toHz);
        const part = resampled(samplesInMemory(samples), fromHz, toHz).cut(start, count);
        expect([...part]).toEqual(Array.from({ length: count }, (_, n) => whole[start + n] ?? 0));
      }),
    );
  });

  it("keeps a constant constant", () => {
    const output = resample(new Float32Array(2000).fill(0.5), 44_100, 8000);
    for (const value of output.subarray(20, -20)) expect(value).toBeCloseTo(0.5, 6);
  });
});
