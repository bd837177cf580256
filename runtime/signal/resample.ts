/** Zero crossings of the sinc to either side, and the Kaiser window's shape: about 80 dB against aliases. */
const ZERO_CROSSINGS = 16;
const KAISER_BETA = 8;

/**
 * Changes the sampling rate by the ratio of two whole rates: a polyphase filter whose kernel is a windowed sinc with its
 * edge at the lower of the two Nyquist frequencies. Silence is assumed around the sound.
 * @returns ceil(samples · toHz / fromHz) samples, the first at the same instant as the first of the input.
 * @see Smith, Digital Audio Resampling; scipy.signal.resample_poly computes the same with this kernel
 */
export function resample(samples: Float32Array, fromHz: number, toHz: number): Float32Array {
  if (fromHz === toHz) return samples;
  const divisor = greatestCommonDivisor(fromHz, toHz);
  const up = toHz / divisor;
  const down = fromHz / divisor;
  const phases = new Map<number, Phase>();
  const output = new Float32Array(Math.ceil((samples.length * up) / down));
  for (let index = 0; index < output.length; index++) {
    // The instant of this output, in input samples: whole + phase / up.
    const position = index * down;
    const phase = position % up;
    // Computed when first met: odd ratios have more phases than the sound has samples.
    const taps = phases.get(phase) ?? phaseTaps(phase / up, Math.max(1, down / up));
    phases.set(phase, taps);
    const first = (position - phase) / up + taps.first;
    const from = Math.max(0, -first);
    const to = Math.min(taps.weights.length, samples.length - first);
    let sum = 0;
    for (let tap = from; tap < to; tap++) sum += samples[first + tap]! * taps.weights[tap]!;
    output[index] = sum;
  }
  return output;
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
