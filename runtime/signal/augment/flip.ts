import type { Picture } from "../picture.ts";
import type { Disturbance } from "./disturbance.ts";

export interface FlipOptions {
  readonly chance: number;
}

export const flip: Disturbance<Picture, FlipOptions> = (picture, { chance }, random) =>
  random() < chance ? mirror(picture) : picture;

/** Left becomes right. @see Krizhevsky et al. 2012, «ImageNet Classification with Deep Convolutional Neural Networks», §4.1 */
export function mirror(picture: Picture): Picture {
  const { width, height, channels } = picture;
  const pixels = picture.pixels.slice();
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * channels;
      const to = (y * width + width - 1 - x) * channels;
      for (let channel = 0; channel < channels; channel++) pixels[to + channel] = picture.pixels[from + channel]!;
    }
  }
  return { ...picture, pixels };
}
