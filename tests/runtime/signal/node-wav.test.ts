import wav from "node-wav";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../runtime/random/random.ts";
import { decodeWav, encodeWav } from "../../../runtime/signal/index.ts";

const next = seeded(3);
const channels = [1, 2].map(() => Float32Array.from({ length: 777 }, () => next() * 1.9 - 0.95));

/** node-wav scales positive and negative samples differently, and cuts instead of rounding: two steps of the format apart. */
const STEP = { 8: 2 / 128, 16: 2 / 32_768, 32: 1e-6 } as const;

describe("another implementation, node-wav, agrees", () => {
  it.each([
    [8, false],
    [16, false],
    [32, false],
    [32, true],
  ] as const)("on what it writes: %i bits, float %s", (bitDepth, float) => {
    const decoded = decodeWav(wav.encode(channels, { sampleRate: 11_025, float, bitDepth }), "node-wav");
    expect(decoded.sampleRateHz).toBe(11_025);
    expectClose(decoded.channels, channels, STEP[bitDepth]);
  });

  it("on what we write", () => {
    const decoded = wav.decode(encodeWav({ sampleRateHz: 44_100, channels }));
    expect(decoded.sampleRate).toBe(44_100);
    expectClose(decoded.channelData, channels, STEP[16]);
  });
});

function expectClose(found: readonly Float32Array[], wanted: readonly Float32Array[], tolerance: number): void {
  expect(found).toHaveLength(wanted.length);
  for (const [channel, samples] of wanted.entries()) {
    const worst = samples.reduce((largest, sample, n) => Math.max(largest, Math.abs(sample - found[channel]![n]!)), 0);
    expect(found[channel]).toHaveLength(samples.length);
    expect(worst).toBeLessThan(tolerance);
  }
}
