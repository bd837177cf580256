import type { Tensor } from "../../onnx/tensor.ts";
import type { Random } from "../../random/random.ts";
import type { Hearing } from "../hearing.ts";
import type { Heard } from "../window.ts";
import { gain } from "./gain.ts";
import { noise } from "./noise.ts";
import type { AugmentPolicy } from "./policy.ts";
import { type Position, shift } from "./shift.ts";
import { spectrumMask } from "./spectrum-mask.ts";
import { disturb, type Stage } from "./stage.ts";

/** On the window, after the shift has chosen it. */
const WAVE: Stage<Float32Array, "gain" | "noise"> = { gain, noise };

/** On the features. */
const SPECTRUM: Stage<Tensor<"float32">, "spectrumMask"> = { spectrumMask };

/**
 * Features of a recording as it might have been: shift → gain → noise → spectrum → masks; a waveform has nothing to mask.
 * @returns as the hearing arranges them
 */
export function soundView(
  { recording, start }: Pick<Position, "recording" | "start">,
  p: Heard,
  { listen, arrange }: Hearing,
  policy: AugmentPolicy,
  random: Random,
): Tensor<"float32"> {
  const position = { recording, start, windowSamples: p.windowSamples };
  const window = policy.shift ? shift(position, policy.shift, random) : recording.cut(start, p.windowSamples);
  const features = listen(disturb(WAVE, window, policy, random));
  if (p.kind === "waveform" || !policy.spectrumMask) return arrange(features);
  const mask = (spectrum: Tensor<"float32">) => disturb(SPECTRUM, spectrum, policy, random);
  return arrange(isNormalized(p) ? mask(features) : aroundBandMeans(features, mask));
}

const isNormalized = ({ mean, std }: { mean: number; std: number }): boolean => mean !== 0 || std !== 1;

/** A mask fills with 0, which is the mean of normalized features; of others it would be the loudest sound of all. */
function aroundBandMeans(
  features: Tensor<"float32">,
  mask: (features: Tensor<"float32">) => Tensor<"float32">,
): Tensor<"float32"> {
  // [1, 1, bands, frames]
  const [, , bands, frames] = features.dims as [number, number, number, number];
  const means = Float64Array.from({ length: bands }, (_, band) => {
    const row = features.data.subarray(band * frames, (band + 1) * frames);
    return row.reduce((sum, value) => sum + value, 0) / frames;
  });
  const centred = mask({
    ...features,
    data: features.data.map((value, at) => value - means[Math.floor(at / frames)]!),
  });
  return { ...centred, data: centred.data.map((value, at) => value + means[Math.floor(at / frames)]!) };
}
