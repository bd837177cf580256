import { gaussian } from "../../random/gaussian.ts";
import type { Random } from "../../random/random.ts";
import { uniform } from "../../random/uniform.ts";
import type { Disturbance } from "./disturbance.ts";

export interface NoiseOptions {
  /** Signal to noise, over the whole window: from the loudest noise … */
  readonly leastDecibels: number;
  /** … to the faintest. */
  readonly mostDecibels: number;
}

/** Another room. */
export const noise: Disturbance<Float32Array, NoiseOptions> = (samples, { leastDecibels, mostDecibels }, random) =>
  addNoise(samples, uniform(random, leastDecibels, mostDecibels), random);

/**
 * Adds white Gaussian noise. Silence stays silent: there is nothing to compare noise with.
 * @param signalToNoiseDecibels of the mean power of the sound to that of the noise.
 * @see Sietsma & Dow 1991, «Creating artificial neural networks that generalize»
 */
export function addNoise(samples: Float32Array, signalToNoiseDecibels: number, random: Random): Float32Array {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  const deviation = Math.sqrt(power / 10 ** (signalToNoiseDecibels / 10));
  const added = gaussian([samples.length], deviation, random).data;
  return samples.map((sample, n) => sample + added[n]!);
}
