import FFT from "fft.js";
import { LichenError } from "../errors.ts";
import { type Tensor, tensor } from "../onnx/tensor.ts";
import type { Preprocessing } from "../package/card.ts";

export type LogMel = Extract<Preprocessing, { kind: "log-mel" }>;

/**
 * Log-mel features of a mono sound at the model's rate. Periodic Hann window, power spectrum, Slaney's mel scale with
 * triangles of equal area (librosa's defaults, without its centring), natural logarithm, in float64 until the end.
 * @returns a function from samples, of any length, to [1, 1, mels, frames], frames = 1 + ⌊(window − frame) / hop⌋
 * @throws BAD_CARD when a mel band is so narrow that it holds no frequency of the spectrum.
 * @see Slaney, Auditory Toolbox (1998); librosa.filters.mel
 */
export function logMel(p: LogMel): (samples: Float32Array) => Tensor<"float32"> {
  const frames = 1 + Math.floor((p.windowSamples - p.frameSamples) / p.hopSamples);
  const hann = Float64Array.from(
    { length: p.frameSamples },
    (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / p.frameSamples),
  );
  const bands = melBands(p);
  const fft = new FFT(p.frameSamples);
  const spectrum = fft.createComplexArray();
  const frame = new Float64Array(p.frameSamples);
  const power = new Float64Array(p.frameSamples / 2 + 1);

  return (samples) => {
    const window = fitWindow(samples, p.windowSamples, p.hopSamples);
    const features = new Float32Array(p.mels * frames);
    for (let t = 0; t < frames; t++) {
      for (let n = 0; n < frame.length; n++) frame[n] = window[t * p.hopSamples + n]! * hann[n]!;
      fft.realTransform(spectrum, frame);
      for (let k = 0; k < power.length; k++) power[k] = spectrum[2 * k]! ** 2 + spectrum[2 * k + 1]! ** 2;
      bands.forEach(({ first, weights }, mel) => {
        let energy = 0;
        for (let k = 0; k < weights.length; k++) energy += weights[k]! * power[first + k]!;
        features[mel * frames + t] = (Math.log(energy + p.powerFloor) - p.mean) / p.std;
      });
    }
    return tensor("float32", [1, 1, p.mels, frames], features);
  };
}

/** Shorter sounds are centred in silence; of longer ones the loudest window is kept, at a multiple of the hop. */
export const fitWindow = (samples: Float32Array, windowSamples: number, hopSamples: number): Float32Array =>
  cutWindow(samples, windowStart(samples, windowSamples, hopSamples), windowSamples);

/** Where the window begins that a model hears; below 0 for sounds that are shorter. */
export function windowStart(samples: Float32Array, windowSamples: number, hopSamples: number): number {
  const surplus = samples.length - windowSamples;
  if (surplus <= 0) return -Math.floor(-surplus / 2);
  // energy[n] is that of the first n samples.
  const energy = new Float64Array(samples.length + 1);
  for (let n = 0; n < samples.length; n++) energy[n + 1] = energy[n]! + samples[n]! ** 2;
  let loudest = 0;
  let most = -1;
  for (let start = 0; start <= surplus; start += hopSamples) {
    const inside = energy[start + windowSamples]! - energy[start]!;
    if (inside > most) [loudest, most] = [start, inside];
  }
  return loudest;
}

/** A part of a sound, in silence where it has not begun or has ended; not a copy where it lies wholly inside. */
export function cutWindow(samples: Float32Array, start: number, length: number): Float32Array {
  if (start >= 0 && start + length <= samples.length) return samples.subarray(start, start + length);
  const window = new Float32Array(length);
  const first = Math.max(0, start);
  const end = Math.min(samples.length, start + length);
  if (end > first) window.set(samples.subarray(first, end), first - start);
  return window;
}

interface Band {
  /** Index of the first spectral line inside. */
  first: number;
  weights: Float64Array;
}

function melBands({ mels, lowHz, highHz, frameSamples, sampleRateHz }: LogMel): Band[] {
  const [lowMel, highMel] = [hzToMel(lowHz), hzToMel(highHz)];
  const edges = Array.from({ length: mels + 2 }, (_, i) => melToHz(lowMel + ((highMel - lowMel) * i) / (mels + 1)));
  return Array.from({ length: mels }, (_, mel) => {
    const [low, centre, high] = edges.slice(mel, mel + 3) as [number, number, number];
    const lineHz = sampleRateHz / frameSamples;
    const first = Math.floor(low / lineHz) + 1;
    const end = Math.min(Math.ceil(high / lineHz), frameSamples / 2 + 1);
    if (end <= first) {
      throw new LichenError("BAD_CARD", {
        at: `preprocessing.mels: band ${mel}, ${low.toFixed(0)} to ${high.toFixed(0)} Hz`,
        found: `spectral lines ${lineHz.toFixed(1)} Hz apart`,
        wanted: "fewer mels or longer frames",
      });
    }
    const weights = Float64Array.from({ length: end - first }, (_, k) => {
      const hz = (first + k) * lineHz;
      return (Math.min((hz - low) / (centre - low), (high - hz) / (high - centre)) * 2) / (high - low);
    });
    return { first, weights };
  });
}

/** Linear to 1 kHz (15 mel), logarithmic above: a factor of 6.4 in frequency is 27 mel. */
const hzToMel = (hz: number): number => (hz < 1000 ? (hz * 3) / 200 : 15 + (Math.log(hz / 1000) * 27) / Math.log(6.4));

const melToHz = (mel: number): number =>
  mel < 15 ? (mel * 200) / 3 : 1000 * Math.exp(((mel - 15) * Math.log(6.4)) / 27);
