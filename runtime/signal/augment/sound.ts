import type { Tensor } from "../../onnx/tensor.ts";
import type { Random } from "../../random/random.ts";
import { fitWindow, type LogMel } from "../log-mel.ts";
import { gain } from "./gain.ts";
import { noise } from "./noise.ts";
import type { AugmentPolicy } from "./policy.ts";
import { shift } from "./shift.ts";
import { spectrumMask } from "./spectrum-mask.ts";
import { disturb, type Stage } from "./stage.ts";

/** On the window, after the shift has chosen it. */
const WAVE: Stage<Float32Array, "gain" | "noise"> = { gain, noise };

/** On the features. */
const SPECTRUM: Stage<Tensor<"float32">, "spectrumMask"> = { spectrumMask };

/**
 * Features of a recording as it might have been: shift → gain → noise → log-mel → masks.
 * @param spectrum of a window, as `logMel` makes it.  @returns [1, 1, mels, frames]
 */
export function soundView(
  recording: Float32Array,
  p: LogMel,
  spectrum: (samples: Float32Array) => Tensor<"float32">,
  policy: AugmentPolicy,
  random: Random,
): Tensor<"float32"> {
  const window = policy.shift
    ? shift(recording, p, policy.shift, random)
    : fitWindow(recording, p.windowSamples, p.hopSamples);
  return disturb(SPECTRUM, spectrum(disturb(WAVE, window, policy, random)), policy, random);
}
