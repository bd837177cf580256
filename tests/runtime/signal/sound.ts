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
