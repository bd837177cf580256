import type { FullPreprocessing } from "../package/preprocessing.ts";

/** Preprocessing of whatever is heard. */
export type Heard = Exclude<FullPreprocessing, { kind: "image" }>;

/** Sound of any length, one channel, of which only a part need be in memory. */
export interface Samples {
  readonly length: number;
  /** From a start, which may lie before the sound, in silence where it has not begun or has ended; perhaps not a copy. */
  cut(start: number, length: number): Float32Array;
}

export const samplesInMemory = (samples: Float32Array): Samples => ({
  length: samples.length,
  cut: (start, length) => cutWindow(samples, start, length),
});

/** Where a shorter sound stands in its window, and in which steps the loudest part of a longer one is sought. */
type Fit = Pick<Heard, "windowSamples"> & { place?: Heard["place"] | undefined; hopSamples: number };

/** The window's samples. Of longer sounds the loudest part is kept, at a multiple of the hop; shorter ones stand in silence. */
export const fitWindow = (samples: Samples, fit: Fit): Float32Array =>
  samples.cut(windowStart(samples, fit), fit.windowSamples);

/** Where the window begins that a model hears; below 0 for sounds that are shorter. */
export function windowStart(samples: Samples, { windowSamples, place = "centre", hopSamples }: Fit): number {
  const surplus = samples.length - windowSamples;
  if (surplus <= 0) return place === "start" ? 0 : -Math.floor(-surplus / 2);
  const starts = Array.from({ length: Math.floor(surplus / hopSamples) + 1 }, (_, index) => index * hopSamples);
  const energies = energiesOf(samples, starts, windowSamples);
  // The first of equally loud ones.
  return starts[energies.reduce((loudest, energy, at) => (energy > energies[loudest]! ? at : loudest), 0)]!;
}

/** A spectrum's own hop; for the samples themselves, steps so small that nobody hears the difference. */
export const searchHop = (p: Heard): number =>
  p.kind === "waveform" ? Math.max(1, Math.floor(p.windowSamples / 64)) : p.hopSamples;

const BLOCK = 65_536;

/** Energy of parts of equal length, in one pass over the sound. @param starts ascending; every part ends within the sound */
export function energiesOf(samples: Samples, starts: readonly number[], length: number): Float64Array {
  const energies = new Float64Array(starts.length);
  let sum = 0;
  let opened = 0;
  let closed = 0;
  for (let from = 0; from <= samples.length && closed < starts.length; from += BLOCK) {
    const block = samples.cut(from, Math.min(BLOCK, samples.length - from));
    for (let n = 0; n <= block.length; n++) {
      // Here `sum` is the energy of all samples before this one.
      while (starts[opened] === from + n) energies[opened++] = sum;
      for (; closed < opened && starts[closed]! + length === from + n; closed++)
        energies[closed] = sum - energies[closed]!;
      // The place behind a block is the first of the next.
      if (n < block.length) sum += block[n]! ** 2;
    }
  }
  return energies;
}

/** A part of a sound, in silence where it has not begun or has ended; not a copy where it lies wholly inside. */
function cutWindow(samples: Float32Array, start: number, length: number): Float32Array {
  if (start >= 0 && start + length <= samples.length) return samples.subarray(start, start + length);
  const window = new Float32Array(length);
  const first = Math.max(0, start);
  const end = Math.min(samples.length, start + length);
  if (end > first) window.set(samples.subarray(first, end), first - start);
  return window;
}
