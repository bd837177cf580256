import { gaussian } from "../../../runtime/random/gaussian.ts";
import type { Random } from "../../../runtime/random/random.ts";

/** A square picture of three colours: rows, columns, RGB, each 0 to 1. */
interface Picture {
  side: number;
  pixels: Float32Array;
}

/** Strengths from 1 to 5. */
export const SEVERITIES = [1, 2, 3, 4, 5] as const;
export type Severity = (typeof SEVERITIES)[number];

type Corruption = (picture: Picture, strength: number, random: Random) => Float32Array;

/**
 * What befalls a camera, in five strengths each. Noise is that of CIFAR-10-C; blur goes on where that ends, and low light, which it
 * lacks, is a shorter exposure with the photons that then arrive.
 * @see Hendrycks & Dietterich 2019, arXiv:1903.12261
 */
export const CORRUPTIONS = {
  "low light": { strengths: [0.5, 0.35, 0.25, 0.18, 0.12], apply: lowLight },
  blur: { strengths: [0.6, 0.8, 1, 1.25, 1.6], apply: blur },
  noise: { strengths: [0.04, 0.06, 0.08, 0.09, 0.1], apply: noise },
} as const satisfies Record<string, { strengths: readonly number[]; apply: Corruption }>;

export type CorruptionName = keyof typeof CORRUPTIONS;

/** @param bytes of one picture, rows, columns, RGB @returns the same, corrupted, in bytes as a camera gives them */
export function corrupted(bytes: Uint8Array, name: CorruptionName, severity: Severity, random: Random): Uint8Array {
  const { strengths, apply } = CORRUPTIONS[name];
  const pixels = Float32Array.from(bytes, (byte) => byte / 255);
  const side = Math.sqrt(bytes.length / CHANNELS);
  const changed = (apply as Corruption)({ side, pixels }, strengths[severity - 1]!, random);
  return Uint8Array.from(changed, (value) => Math.round(Math.min(1, Math.max(0, value)) * 255));
}

const CHANNELS = 3;

/** Photons of a white pixel in full light: a small sensor, indoors. */
const PHOTONS = 400;

/** @param light share of the light that is left */
function lowLight({ pixels }: Picture, light: number, random: Random): Float32Array {
  const normal = gaussian([pixels.length], 1, random).data as Float32Array;
  return pixels.map((value, at) => {
    const photons = value * light * PHOTONS;
    // So many photons arrive as normally distributed, near enough to Poisson's.
    return (photons + Math.sqrt(photons) * normal[at]!) / PHOTONS;
  });
}

/** @param deviation of the pixels' values */
function noise({ pixels }: Picture, deviation: number, random: Random): Float32Array {
  const normal = gaussian([pixels.length], deviation, random).data as Float32Array;
  return pixels.map((value, at) => value + normal[at]!);
}

/** Gaussian, along rows and then along columns; beyond the edge the picture is mirrored. @param radius standard deviation in pixels */
function blur({ side, pixels }: Picture, radius: number): Float32Array {
  const reach = Math.ceil(3 * radius);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, at) => Math.exp(-((at - reach) ** 2) / (2 * radius ** 2)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const mirrored = (at: number) => (at < 0 ? -1 - at : at >= side ? 2 * side - 1 - at : at);
  const along = (from: Float32Array, step: number, across: number) =>
    from.map((_, index) => {
      const channel = index % CHANNELS;
      const [row, column] = [Math.floor(index / CHANNELS / side), Math.floor(index / CHANNELS) % side];
      const [place, other] = step === CHANNELS ? [column, row] : [row, column];
      return weights.reduce(
        (total, weight, at) =>
          total + (weight / sum) * from[mirrored(place + at - reach) * step + other * across + channel]!,
        0,
      );
    });
  return along(along(pixels, CHANNELS, CHANNELS * side), CHANNELS * side, CHANNELS);
}
