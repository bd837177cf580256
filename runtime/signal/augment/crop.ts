import type { Random } from "../../random/random.ts";
import { uniform } from "../../random/uniform.ts";
import type { Picture } from "../picture.ts";

export interface CropOptions {
  /** The least of the picture's area that is kept, above 0. */
  readonly leastArea: number;
  /** How much wider or narrower than the whole the kept part may be, at least 1. */
  readonly mostAspect: number;
}

/** A part of a picture, in pixels; edges may lie between them. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A random part of a picture, scaled to the size given. */
export function crop(
  picture: Picture,
  to: { width: number; height: number },
  options: CropOptions,
  random: Random,
): Picture {
  return cropTo(picture, randomBox(picture, options, random), to);
}

/**
 * Area uniform, aspect uniform in its logarithm, among those that lie inside.
 * @see Szegedy et al. 2015, «Going Deeper with Convolutions», §6
 */
export function randomBox({ width, height }: Picture, { leastArea, mostAspect }: CropOptions, random: Random): Box {
  const area = uniform(random, leastArea, 1);
  // Both √(area · aspect) and √(area / aspect) have to stay below 1.
  const most = Math.log(Math.min(mostAspect, 1 / area));
  const aspect = Math.exp(uniform(random, -most, most));
  const kept = { width: width * Math.sqrt(area * aspect), height: height * Math.sqrt(area / aspect) };
  return { ...kept, left: uniform(random, 0, width - kept.width), top: uniform(random, 0, height - kept.height) };
}

/** Scales a part of a picture, bilinear between pixels' centres. Meant for factors near 1: it does not filter. */
export function cropTo(picture: Picture, box: Box, { width, height }: { width: number; height: number }): Picture {
  const { channels, pixels } = picture;
  const columns = taps(box.left, box.width, width, picture.width);
  const rows = taps(box.top, box.height, height, picture.height);
  const scaled = new Float32Array(width * height * channels);
  let at = 0;
  for (const row of rows) {
    for (const column of columns) {
      const topLeft = (row.first * picture.width + column.first) * channels;
      const topRight = (row.first * picture.width + column.second) * channels;
      const bottomLeft = (row.second * picture.width + column.first) * channels;
      const bottomRight = (row.second * picture.width + column.second) * channels;
      for (let channel = 0; channel < channels; channel++) {
        const top = mix(pixels[topLeft + channel]!, pixels[topRight + channel]!, column.weight);
        const bottom = mix(pixels[bottomLeft + channel]!, pixels[bottomRight + channel]!, column.weight);
        scaled[at++] = mix(top, bottom, row.weight);
      }
    }
  }
  return { width, height, channels, pixels: scaled };
}

/** Which two pixels make each new one along an axis, and how much of the second. */
function taps(start: number, length: number, count: number, size: number) {
  return Array.from({ length: count }, (_, index) => {
    const centre = start + ((index + 0.5) * length) / count - 0.5;
    const position = Math.max(0, Math.min(size - 1, centre));
    const first = Math.floor(position);
    return { first, second: Math.min(first + 1, size - 1), weight: position - first };
  });
}

const mix = (a: number, b: number, weight: number): number => a + (b - a) * weight;
