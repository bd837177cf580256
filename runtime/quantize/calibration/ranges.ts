import type { Range } from "../parameters.ts";
import type { Counted } from "./histogram.ts";

/** How the range that a value's codes cover follows from what was seen of it. All need one pass over the samples. */
export const CALIBRATION_METHODS = {
  /** Nothing is clipped; one outlier costs resolution. */
  minmax: ({ min, max }: Counted): Range => ({ min, max }),
  percentile: (counted: Counted): Range => percentileRange(counted, 0.9999),
  entropy: entropyRange,
} as const satisfies Record<string, (counted: Counted) => Range>;

export type CalibrationMethod = keyof typeof CALIBRATION_METHODS;

/** What all but a share of the values lie in, half of that share cut away at either end. To the width of a bin. */
export function percentileRange(counted: Counted, share: number): Range {
  const { counts, first, width, min, max } = counted;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const outside = (total * (1 - share)) / 2;
  let [low, below] = [0, counts[0]!];
  while (below <= outside && low < counts.length - 1) below += counts[++low]!;
  let [high, above] = [counts.length - 1, counts.at(-1)!];
  while (above <= outside && high > low) above += counts[--high]!;
  return { min: Math.max(min, (first + low) * width), max: Math.min(max, (first + high + 1) * width) };
}

/** Levels that codes of eight bits distinguish. */
const LEVELS = 256;

/** Ranges that are tried, between that of one bin a code and that of all bins. */
const CANDIDATES = 128;

/**
 * The range in which codes tell most of how values are distributed: of ranges that grow from zero to either side, the one whose
 * distribution in codes diverges least from the real one. @see Migacz 2017, «8-bit Inference with TensorRT»
 */
export function entropyRange(counted: Counted): Range {
  const { first, width, min, max } = counted;
  const counts = withoutZeros(counted);
  const reach = Math.max(-first, first + counts.length);
  if (reach <= LEVELS) return { min, max };
  const stride = Math.max(1, Math.floor((reach - LEVELS) / CANDIDATES));
  let best = { bins: reach, divergence: Number.POSITIVE_INFINITY };
  // From the widest inwards: of two ranges as good, the one that clips less.
  for (let bins = reach; bins >= LEVELS; bins -= stride) {
    const low = Math.max(0, -bins - first);
    const high = Math.min(counts.length, bins - first);
    const divergence = codeDivergence(counts, low, high);
    if (divergence < best.divergence) best = { bins, divergence };
  }
  return { min: Math.max(min, -best.bins * width), max: Math.min(max, best.bins * width) };
}

/** What a Relu cuts off is zero, has its code in every range, and would outweigh all that matters: as many as lie next to it count. */
function withoutZeros({ counts, first }: Counted): Float64Array {
  const zero = -first;
  return counts.map((count, bin) => (bin === zero ? Math.min(count, counts[zero + 1] ?? count) : count));
}

/** Kullback–Leibler divergence of what codes over bins `low` to `high` tell from what was counted; all beyond is clipped to the ends. */
function codeDivergence(counts: Float64Array, low: number, high: number): number {
  const inside = counts.slice(low, high);
  const real = inside.slice();
  for (let bin = 0; bin < low; bin++) real[0]! += counts[bin]!;
  for (let bin = high; bin < counts.length; bin++) real[real.length - 1]! += counts[bin]!;

  const told = new Float64Array(inside.length);
  const perLevel = inside.length / LEVELS;
  for (let level = 0; level < LEVELS; level++) {
    const [begin, end] = [Math.floor(level * perLevel), Math.floor((level + 1) * perLevel)];
    let [sum, filled] = [0, 0];
    for (let bin = begin; bin < end; bin++) {
      sum += inside[bin]!;
      if (real[bin]! > 0) filled++;
    }
    // What lay in bins of one code is spread evenly over those that were not empty.
    for (let bin = begin; bin < end; bin++) if (real[bin]! > 0) told[bin] = sum / filled;
  }
  return divergence(real, told);
}

/** Σ p · ln(p/q). What q misses counts as next to nothing, not as infinitely wrong. */
function divergence(p: Float64Array, q: Float64Array): number {
  const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);
  const [ofP, ofQ] = [total(p), total(q)];
  let sum = 0;
  p.forEach((value, bin) => {
    if (value === 0) return;
    const share = value / ofP;
    sum += share * Math.log(share / Math.max(q[bin]! / ofQ, SMALLEST_SHARE));
  });
  return sum;
}

const SMALLEST_SHARE = 1e-7;
