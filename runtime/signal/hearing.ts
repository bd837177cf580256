import { type Tensor, tensor } from "../onnx/tensor.ts";
import { cepstrum } from "./cepstrum.ts";
import type { Spectral } from "./mel.ts";
import { frameCount, logMelSpectrum } from "./spectrum.ts";
import type { Heard } from "./window.ts";

/** What a model hears of a window, in two steps, so that a view may hide parts in between. */
export interface Hearing {
  /** From [windowSamples] to [1, 1, bands, frames], or the samples as they are: [1, 1, 1, samples]. */
  listen(window: Float32Array): Tensor<"float32">;
  /** As the card's axes want it. */
  arrange(features: Tensor<"float32">): Tensor<"float32">;
}

const HEARINGS: { readonly [K in Heard["kind"]]: (p: Extract<Heard, { kind: K }>) => Hearing } = {
  "log-mel": (p) => spectral(p, p.mels, logMelSpectrum(p)),
  mfcc: (p) => spectral(p, p.coefficients, cepstrum(p)),
  waveform: (p) => ({
    listen: (window) => tensor("float32", [1, 1, 1, p.windowSamples], scaled(p)(window).slice()),
    arrange: ({ data }) => tensor("float32", p.axes === "samples" ? [1, data.length] : [1, 1, data.length], data),
  }),
};

/** @throws BAD_CARD when the card's numbers do not go together. */
export const createHearing = (p: Heard): Hearing => (HEARINGS[p.kind] as (p: Heard) => Hearing)(p);

function spectral(p: Spectral, bands: number, compute: (window: Float32Array) => Float64Array): Hearing {
  const dims = [1, 1, bands, frameCount(p)];
  const scale = scaled(p);
  return {
    listen: (window) =>
      tensor(
        "float32",
        dims,
        Float32Array.from(compute(scale(window)), (value) => (value - p.mean) / p.std),
      ),
    arrange: (features) => {
      if (p.axes === "bands-frames") return features;
      const [, , bands, frames] = features.dims as [number, number, number, number];
      const data = transposed(features.data, bands, frames);
      return tensor("float32", p.axes === "vector" ? [1, frames * bands] : [1, 1, frames, bands], data);
    },
  };
}

/** Not a copy where nothing changes. */
function scaled({ gain, fullScale }: Heard): (window: Float32Array) => Float32Array {
  if (gain === "none" && fullScale === 1) return (window) => window;
  return (window) => {
    const factor = fullScale / loudness[gain](window);
    return window.map((sample) => sample * factor);
  };
}

const loudness: { readonly [K in Heard["gain"]]: (window: Float32Array) => number } = {
  none: () => 1,
  // Silence is divided by 1.
  maximum: (window) => window.reduce((most, sample) => Math.max(most, sample), -Infinity) || 1,
  peak: (window) => window.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0) || 1,
};

/** @param data [rows, columns] @returns [columns, rows] */
function transposed(data: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const turned = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) turned[column * rows + row] = data[row * columns + column]!;
  }
  return turned;
}
