import { LichenError } from "../errors.ts";
import type { FullPreprocessing } from "../package/preprocessing.ts";

/** Preprocessing that goes by a mel spectrum. */
export type Spectral = Extract<FullPreprocessing, { kind: "log-mel" | "mfcc" }>;

/** A triangle over the lines of a spectrum. */
export interface Band {
  /** Index of the first spectral line inside. */
  first: number;
  weights: Float64Array;
}

interface Scale {
  toMel(hz: number): number;
  toHz(mel: number): number;
}

const SCALES: { readonly [K in Spectral["melScale"]]: Scale } = {
  /** Linear to 1 kHz (15 mel), logarithmic above: a factor of 6.4 in frequency is 27 mel. */
  slaney: {
    toMel: (hz) => (hz < 1000 ? (hz * 3) / 200 : 15 + (Math.log(hz / 1000) * 27) / Math.log(6.4)),
    toHz: (mel) => (mel < 15 ? (mel * 200) / 3 : 1000 * Math.exp(((mel - 15) * Math.log(6.4)) / 27)),
  },
  htk: {
    toMel: (hz) => 2595 * Math.log10(1 + hz / 700),
    toHz: (mel) => 700 * (10 ** (mel / 2595) - 1),
  },
};

/**
 * Triangles whose corners are equally far apart in mel.
 * @throws BAD_CARD when a band is so narrow that it holds no line of the spectrum.
 * @see Slaney, Auditory Toolbox (1998); librosa.filters.mel; tf.signal.linear_to_mel_weight_matrix
 */
export function melBands(p: Spectral): Band[] {
  const { mels, lowHz, highHz, sampleRateHz, melScale, melSlopes, melNorm } = p;
  const fftSamples = p.fftSamples ?? p.frameSamples;
  const { toMel, toHz } = SCALES[melScale];
  const [lowMel, highMel] = [toMel(lowHz), toMel(highHz)];
  const corners = Array.from({ length: mels + 2 }, (_, i) => toHz(lowMel + ((highMel - lowMel) * i) / (mels + 1)));
  const along = melSlopes === "mel" ? toMel : (hz: number) => hz;
  return Array.from({ length: mels }, (_, mel) => {
    const [lowHz, centreHz, highHz] = corners.slice(mel, mel + 3) as [number, number, number];
    const lineHz = sampleRateHz / fftSamples;
    const first = Math.floor(lowHz / lineHz) + 1;
    const end = Math.min(Math.ceil(highHz / lineHz), fftSamples / 2 + 1);
    if (end <= first) {
      throw new LichenError("BAD_CARD", {
        at: `preprocessing.mels: band ${mel}, ${lowHz.toFixed(0)} to ${highHz.toFixed(0)} Hz`,
        found: `spectral lines ${lineHz.toFixed(1)} Hz apart`,
        wanted: "fewer mels or longer frames",
      });
    }
    const [low, centre, high] = [along(lowHz), along(centreHz), along(highHz)];
    const weights = Float64Array.from({ length: end - first }, (_, k) => {
      const at = along((first + k) * lineHz);
      const height = Math.min((at - low) / (centre - low), (high - at) / (high - centre));
      return melNorm === "slaney" ? (height * 2) / (highHz - lowHz) : height;
    });
    return { first, weights };
  });
}
