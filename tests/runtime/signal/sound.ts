import { readFileSync } from "node:fs";
import type { Preprocessing } from "../../../runtime/package/card.ts";

/** The test sound of scripts/references/sounds.py: a chirp and a steady tone. */
export const sound = (length: number): Float32Array =>
  Float32Array.from(
    { length },
    (_, n) =>
      0.3 * Math.sin(2 * Math.PI * ((150 * n) / 8000 + 1500 * (n / 8000) ** 2)) +
      0.05 * Math.sin((2 * Math.PI * 1234.5 * n) / 8000),
  );

interface Reference {
  logMel: { frames: number[]; features: number[][] };
  resampled: { fromHz: number; toHz: number; length: number; head: number[] }[];
}

/** What librosa and scipy make of it. */
export const reference: Reference = JSON.parse(readFileSync(new URL("reference.json", import.meta.url), "utf8"));

interface Resampled {
  fromHz: number;
  toHz: number;
  /** Of sines. */
  hertz: number[];
  /** How much louder each comes out. */
  decibels: number[];
}

/** What scripts/references/front_ends.py measured of scipy.signal.resample_poly. */
export const scipyDefaults: Resampled[] = JSON.parse(
  readFileSync(new URL("front-ends.json", import.meta.url), "utf8"),
).resamplers;

export const LOG_MEL: Extract<Preprocessing, { kind: "log-mel" }> = {
  kind: "log-mel",
  sampleRateHz: 8000,
  windowSamples: 8000,
  frameSamples: 256,
  hopSamples: 128,
  mels: 40,
  lowHz: 60,
  highHz: 3800,
  powerFloor: 1e-6,
  mean: 0,
  std: 1,
};

/** A WAV of 32-bit floats: nothing is rounded away. */
export function floatWav(sampleRateHz: number, samples: Float32Array): Uint8Array {
  const header = new DataView(new ArrayBuffer(44));
  const text = (at: number, value: string) => new Uint8Array(header.buffer).set(new TextEncoder().encode(value), at);
  text(0, "RIFF");
  header.setUint32(4, 36 + samples.byteLength, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 3, true);
  header.setUint16(22, 1, true);
  header.setUint32(24, sampleRateHz, true);
  header.setUint32(28, sampleRateHz * 4, true);
  header.setUint16(32, 4, true);
  header.setUint16(34, 32, true);
  text(36, "data");
  header.setUint32(40, samples.byteLength, true);
  return new Uint8Array([...new Uint8Array(header.buffer), ...new Uint8Array(samples.slice().buffer)]);
}
