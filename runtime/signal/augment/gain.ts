import { uniform } from "../../random/uniform.ts";
import type { Disturbance } from "./disturbance.ts";

export interface GainOptions {
  /** The most that a sound becomes louder or quieter. */
  readonly decibels: number;
}

/** Another distance to the microphone. */
export const gain: Disturbance<Float32Array, GainOptions> = (samples, { decibels }, random) =>
  amplify(samples, uniform(random, -decibels, decibels));

/** Full scale is no limit here: features are computed in floating point, and clipping would be another sound. */
export function amplify(samples: Float32Array, decibels: number): Float32Array {
  const factor = 10 ** (decibels / 20);
  return samples.map((sample) => sample * factor);
}
