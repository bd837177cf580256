import type { FullPreprocessing } from "../package/preprocessing.ts";
import { frameCount, logMelSpectrum } from "./spectrum.ts";

type Mfcc = Extract<FullPreprocessing, { kind: "mfcc" }>;

/**
 * Mel-frequency cepstral coefficients: the cosine transform of a log-mel spectrum, frame by frame.
 * @returns a function from [windowSamples] to [coefficients, frames]
 * @throws BAD_CARD when a mel band holds no line of the spectrum.
 * @see Davis & Mermelstein 1980; librosa.feature.mfcc; tf.signal.mfccs_from_log_mel_spectrograms; The HTK Book, 5.3 (liftering)
 */
export function cepstrum(p: Mfcc): (window: Float32Array) => Float64Array {
  const frames = frameCount(p);
  const spectrum = logMelSpectrum(p);
  const rows = Array.from({ length: p.coefficients }, (_, coefficient) => cosines(p, coefficient));
  return (window) => {
    const logarithms = spectrum(window);
    const coefficients = new Float64Array(p.coefficients * frames);
    rows.forEach((row, coefficient) => {
      for (let t = 0; t < frames; t++) {
        let sum = 0;
        for (let mel = 0; mel < row.length; mel++) sum += row[mel]! * logarithms[mel * frames + t]!;
        coefficients[coefficient * frames + t] = sum;
      }
    });
    return coefficients;
  };
}

/** One row of the DCT-II, scaled and liftered. @returns [mels] */
function cosines({ mels, dct, lifter }: Mfcc, coefficient: number): Float64Array {
  const scale = Math.sqrt((coefficient === 0 && dct === "orthonormal" ? 1 : 2) / mels);
  const lift = lifter > 0 ? 1 + (lifter / 2) * Math.sin((Math.PI * (coefficient + 1)) / lifter) : 1;
  return Float64Array.from(
    { length: mels },
    (_, mel) => scale * lift * Math.cos((Math.PI * coefficient * (2 * mel + 1)) / (2 * mels)),
  );
}
