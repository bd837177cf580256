import type { Tensor } from "../../onnx/tensor.ts";
import type { Random } from "../../random/random.ts";
import { uniformInteger } from "../../random/uniform.ts";
import { blank } from "./blank.ts";
import type { Disturbance } from "./disturbance.ts";

export interface SpectrumMaskOptions {
  /** The most of all mel bands that one mask covers. */
  readonly bandShare: number;
  /** The most of all frames that the other covers. */
  readonly frameShare: number;
}

/**
 * Hides some neighbouring bands, and some neighbouring frames, so that no single trait of a sound decides. Without the
 * paper's time warping, which it found to matter least.
 * @see Park et al. 2019, «SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition»
 */
export const spectrumMask: Disturbance<Tensor<"float32">, SpectrumMaskOptions> = (features, options, random) => {
  // [1, 1, mels, frames]
  const [, , mels, frames] = features.dims as [number, number, number, number];
  const bands = span(mels, options.bandShare, random);
  const times = span(frames, options.frameShare, random);
  const withoutBands = blank(features, { top: bands.first, rows: bands.length, left: 0, columns: frames });
  return blank(withoutBands, { top: 0, rows: mels, left: times.first, columns: times.length });
};

function span(of: number, share: number, random: Random): { first: number; length: number } {
  const length = uniformInteger(random, 0, Math.floor(of * share));
  return { first: uniformInteger(random, 0, of - length), length };
}
