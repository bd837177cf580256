import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resample } from "../../../runtime/signal/index.ts";
import { reference, sound } from "./sound.ts";

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

  it("keeps a constant constant", () => {
    const output = resample(new Float32Array(2000).fill(0.5), 44_100, 8000);
    for (const value of output.subarray(20, -20)) expect(value).toBeCloseTo(0.5, 6);
  });
});
