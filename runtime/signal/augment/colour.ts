import { uniform } from "../../random/uniform.ts";
import type { Picture } from "../picture.ts";
import type { Disturbance } from "./disturbance.ts";

/** The most by which each factor differs from 1. */
export interface ColourOptions {
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
}

/**
 * Other light, another exposure, another lamp.
 * @see Howard 2013, «Some Improvements on Deep Convolutional Neural Network Based Image Classification», §2.2
 */
export const colour: Disturbance<Picture, ColourOptions> = (picture, options, random) => {
  const factor = (most: number) => uniform(random, 1 - most, 1 + most);
  const lit = brighten(picture, factor(options.brightness));
  const contrasted = contrast(lit, factor(options.contrast));
  return saturate(contrasted, factor(options.saturation));
};

export const brighten = (picture: Picture, factor: number): Picture => withPixels(picture, (value) => value * factor);

/** Away from the picture's mean grey, or towards it. */
export function contrast(picture: Picture, factor: number): Picture {
  const { width, height, channels } = picture;
  let sum = 0;
  for (let at = 0; at < picture.pixels.length; at += channels) sum += grey(picture, at);
  const mean = sum / (width * height);
  return withPixels(picture, (value) => mean + (value - mean) * factor);
}

/** Away from each pixel's grey, or towards it. A grey picture stays as it is. */
export function saturate(picture: Picture, factor: number): Picture {
  if (picture.channels === 1) return picture;
  return withPixels(picture, (value, at) => {
    const own = grey(picture, at - (at % picture.channels));
    return own + (value - own) * factor;
  });
}

/** Luma of the pixel that begins at an index. @see ITU-R BT.601 */
function grey({ channels, pixels }: Picture, at: number): number {
  if (channels === 1) return pixels[at]!;
  return 0.299 * pixels[at]! + 0.587 * pixels[at + 1]! + 0.114 * pixels[at + 2]!;
}

/** A camera's range ends at 0 and 255. */
function withPixels(picture: Picture, change: (value: number, at: number) => number): Picture {
  const pixels = new Float32Array(picture.pixels.length);
  for (let at = 0; at < pixels.length; at++) {
    pixels[at] = Math.max(0, Math.min(255, change(picture.pixels[at]!, at)));
  }
  return { ...picture, pixels };
}
