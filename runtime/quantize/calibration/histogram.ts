import { rangeOf } from "../parameters.ts";

/**
 * Counts values in bins of one width, in bounded memory however many come: when one falls outside, the bins are doubled in width,
 * two by two, until it falls inside. The edge between two bins is always at zero, which quantization represents exactly.
 */
export interface Histogram {
  see(values: Float32Array): void;
  /** Without values, or with nothing but zeros, everything is zero. */
  counted(): Counted;
}

export interface Counted {
  min: number;
  max: number;
  width: number;
  /** The place of the first bin: bin b of `counts` reaches from (first + b) · width to (first + b + 1) · width. */
  first: number;
  counts: Float64Array;
}

/** As in TensorRT and ONNX Runtime, on either side of zero. */
const BINS = 2048;

export function histogram(): Histogram {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let width = 0;
  /** Below zero and above it, from zero outwards. */
  let counts = new Float64Array(2 * BINS);

  /** Two bins become one, on either side of zero. */
  const double = () => {
    const wider = new Float64Array(2 * BINS);
    for (let bin = 0; bin < 2 * BINS; bin++) wider[BINS + Math.floor((bin - BINS) / 2)]! += counts[bin]!;
    counts = wider;
    width *= 2;
  };

  return {
    see(values) {
      const seen = rangeOf(values);
      const reach = Math.max(-seen.min, seen.max, 0);
      if (!Number.isFinite(reach)) return; // an overflow is no range to quantize to
      min = Math.min(min, seen.min);
      max = Math.max(max, seen.max);
      if (width === 0) {
        // Zeros alone say nothing about the width, and lie in whatever bin begins at zero.
        counts[BINS]! += reach === 0 ? values.length : 0;
        if (reach === 0) return;
        width = reach / (BINS - 1);
      }
      while (reach >= width * (BINS - 1)) double();
      const perWidth = 1 / width;
      for (const value of values) counts[BINS + Math.floor(value * perWidth)]! += 1;
    },
    counted() {
      if (width === 0) return { min: 0, max: 0, width: 0, first: 0, counts: counts.slice(BINS, BINS + 1) };
      const begin = counts.findIndex((count) => count > 0);
      const end = counts.findLastIndex((count) => count > 0) + 1;
      return { min, max, width, first: begin - BINS, counts: counts.slice(begin, end) };
    },
  };
}
