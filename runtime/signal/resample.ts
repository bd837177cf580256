import { type Samples, samplesInMemory } from "./window.ts";

/** Zero crossings of the sinc to either side, and the Kaiser window's shape: about 80 dB against aliases. */
const ZERO_CROSSINGS = 16;
const KAISER_BETA = 8;

/**
 * Changes the sampling rate by the ratio of two whole rates: a polyphase filter whose kernel is a windowed sinc with its
 * edge at the lower of the two Nyquist frequencies. Silence is assumed around the sound.
 * @returns ceil(samples · toHz / fromHz) samples, the first at the same instant as the first of the input.
 * @see Smith, Digital Audio Resampling; scipy.signal.resample_poly computes the same with this kernel
 */
export const resample = (samples: Float32Array, fromHz: number, toHz: number): Float32Array =>
  fromHz === toHz ? samples : wholeOf(resampled(samplesInMemory(samples), fromHz, toHz));

/** The same for a sound of which only parts are asked for: each part is what `resample` makes of the whole there. */
export function resampled(samples: Samples, fromHz: number, toHz: number): Samples {
  if (fromHz === toHz) return samples;
  const divisor = greatestCommonDivisor(fromHz, toHz);
  const up = toHz / divisor;
  const down = fromHz / divisor;
  const stretch = Math.max(1, down / up);
  const phases = createPhases(up, stretch);
  const reach = Math.ceil(ZERO_CROSSINGS * stretch);
  const length = Math.ceil((samples.length * up) / down);
  return {
    length,
    cut(start, count) {
      const output = new Float32Array(count);
      const begin = Math.max(0, start);
      const end = Math.min(length, start + count);
      if (end <= begin) return output;
      const from = Math.max(0, Math.floor((begin * down) / up) - reach);
      const input = samples.cut(from, Math.min(samples.length, Math.floor(((end - 1) * down) / up) + reach + 1) - from);
      for (let index = begin; index < end; index++) {
        // The instant of this output, in input samples: whole + phase / up.
        const position = index * down;
        const phase = position % up;
        const taps = phases(phase);
        const first = (position - phase) / up + taps.first - from;
        const head = Math.max(0, -first);
        const tail = Math.min(taps.weights.length, input.length - first);
        let sum = 0;
        for (let tap = head; tap < tail; tap++) sum += input[first + tap]! * taps.weights[tap]!;
        output[index - start] = sum;
      }
      return output;
    },
  };
}

const wholeOf = (samples: Samples): Float32Array => samples.cut(0, samples.length);

/** Odd ratios of high rates have phases for hundreds of megabytes; what is beyond this is computed anew each time. */
const MOST_WEIGHTS = 2_000_000;

/** Weights are computed when first met: odd ratios have more phases than a short sound has samples. */
function createPhases(up: number, stretch: number): (phase: number) => Phase {
  const known = new Map<number, Phase>();
  let weights = 0;
  return (phase) => {
    const before = known.get(phase);
    if (before) return before;
    const taps = phaseTaps(phase / up, stretch);
    weights += taps.weights.length;
    if (weights <= MOST_WEIGHTS) known.set(phase, taps);
    return taps;
  };
}

interface Phase {
  /** Offset of the first weight from the input sample at or before the instant. */
  first: number;
  weights: Float64Array;
}

/**
 * @param fraction of an input sample by which the instant lies behind its sample.
 * @param stretch how much wider the kernel is than the input's own sinc: above 1 when the rate goes down.
 */
function phaseTaps(fraction: number, stretch: number): Phase {
  const reach = ZERO_CROSSINGS * stretch;
  const first = Math.ceil(fraction - reach);
  const last = Math.floor(fraction + reach);
  const weights = Float64Array.from({ length: last - first + 1 }, (_, tap) => {
    const distance = first + tap - fraction;
    return sinc(distance / stretch) * kaiser(distance / reach);
  });
  // A constant passes unchanged through every phase: no ripple at the phases' rate.
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { first, weights: weights.map((weight) => weight / sum) };
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** @param x −1 to 1 */
const kaiser = (x: number): number => besselI0(KAISER_BETA * Math.sqrt(Math.max(0, 1 - x * x))) / besselI0(KAISER_BETA);

/** Modified Bessel function of the first kind, order 0, by its power series. @see Abramowitz & Stegun 9.6.12 */
function besselI0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-16; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));
