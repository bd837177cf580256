import FFT from "fft.js";
import { melBands, type Spectral } from "./mel.ts";

/** How many frames a window has. */
export function frameCount(p: Spectral): number {
  const { before, span } = framing(p);
  return 1 + Math.floor((p.windowSamples + 2 * before - span) / p.hopSamples);
}

/**
 * The logarithm of a window's mel spectrum, in float64.
 * @returns a function from [windowSamples] to [mels, frames]
 * @throws BAD_CARD when a mel band holds no line of the spectrum.
 */
export function logMelSpectrum(p: Spectral): (window: Float32Array) => Float64Array {
  const spectrum = melSpectrum(p);
  const take = logarithm(p);
  return (window) => take(spectrum(window));
}

/** @returns a function from [windowSamples] to [mels, frames], each ≥ 0 */
function melSpectrum(p: Spectral): (window: Float32Array) => Float64Array {
  const frames = frameCount(p);
  const { before, offset, fftSamples } = framing(p);
  const weights = frameWindow(p);
  const bands = melBands(p);
  const sampleAt = EDGES[p.edges];
  const raise = magnitudePower(p.exponent);
  const fft = new FFT(fftSamples);
  const spectrum = fft.createComplexArray();
  // Zeros stay where the frame does not reach.
  const frame = new Float64Array(fftSamples);
  const powers = new Float64Array(fftSamples / 2 + 1);

  return (window) => {
    const energies = new Float64Array(p.mels * frames);
    for (let t = 0; t < frames; t++) {
      const start = t * p.hopSamples - before + offset;
      for (let n = 0; n < weights.length; n++) frame[offset + n] = sampleAt(window, start + n) * weights[n]!;
      fft.realTransform(spectrum, frame);
      for (let k = 0; k < powers.length; k++) powers[k] = raise(spectrum[2 * k]! ** 2 + spectrum[2 * k + 1]! ** 2);
      bands.forEach(({ first, weights }, mel) => {
        let energy = 0;
        for (let k = 0; k < weights.length; k++) energy += weights[k]! * powers[first + k]!;
        energies[mel * frames + t] = energy;
      });
    }
    return energies;
  };
}

function framing({ frameSamples, fftSamples = frameSamples, fftPadding, edges }: Spectral) {
  const around = fftPadding === "around";
  return {
    fftSamples,
    /** Samples that are made up before the window, and as many behind it. */
    before: edges === "none" ? 0 : fftSamples / 2,
    /** Of the frame in its transform. */
    offset: around ? Math.floor((fftSamples - frameSamples) / 2) : 0,
    /** What a frame takes of the window. */
    span: around ? fftSamples : frameSamples,
  };
}

const EDGES: { readonly [K in Spectral["edges"]]: (window: Float32Array, n: number) => number } = {
  none: (window, n) => window[n]!,
  zeros: (window, n) => window[n] ?? 0,
  // The outermost sample is not repeated.
  reflect: (window, n) => window[n < 0 ? -n : n < window.length ? n : 2 * (window.length - 1) - n]!,
};

function frameWindow({ frameSamples, frameWindow }: Spectral): Float64Array {
  const period = frameWindow === "hann" ? frameSamples : frameSamples - 1;
  return Float64Array.from({ length: frameSamples }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / period));
}

/** @returns a function from a squared magnitude */
function magnitudePower(exponent: number): (squared: number) => number {
  if (exponent === 2) return (squared) => squared;
  if (exponent === 1) return Math.sqrt;
  return (squared) => squared ** (exponent / 2);
}

/** Written for `exponent` dB a power of ten in magnitude: decibels are the same for power and amplitude. In place. */
function logarithm(p: Spectral): (values: Float64Array) => Float64Array {
  const decibel = 20 / (p.exponent * Math.LN10);
  const unit = { ln: 1, log10: 1 / Math.LN10, decibels: decibel }[p.logarithm];
  const floored =
    p.floor === "add" ? (value: number) => value + p.powerFloor : (value: number) => Math.max(value, p.powerFloor);
  return (values) => {
    const reference = p.reference === "maximum" ? Math.max(largest(values), p.powerFloor) : p.reference;
    const zero = unit * Math.log(reference);
    for (let i = 0; i < values.length; i++) values[i] = unit * Math.log(floored(values[i]!)) - zero;
    if (p.topDecibels !== undefined) {
      const least = largest(values) - (p.topDecibels * unit) / decibel;
      for (let i = 0; i < values.length; i++) values[i] = Math.max(values[i]!, least);
    }
    return values;
  };
}

const largest = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, value), -Infinity);
