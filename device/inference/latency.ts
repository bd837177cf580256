import { createHistogram, type RecordableHistogram } from "node:perf_hooks";

/** What the last minutes were like; null where nothing happened. */
export interface LatencySummary {
  readonly count: number;
  readonly perSecond: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
}

export interface Latencies {
  record(milliseconds: number, nowMs: number): void;
  summary(nowMs: number): LatencySummary;
}

export interface LatencyOptions {
  /** How far back the summary looks … */
  readonly windowMs: number;
  /** … forgetting so many parts of it one by one. */
  readonly slices: number;
}

export const LATENCY_WINDOW: LatencyOptions = { windowMs: 300_000, slices: 5 };

/** Microseconds, up to an hour. Node's histograms (HdrHistogram in native code) count whole numbers from 1. */
const RANGE = { lowest: 1, highest: 3_600_000_000, figures: 2 };

interface Slice {
  /** Number of the slice since the clock's beginning. */
  readonly index: number;
  readonly histogram: RecordableHistogram;
}

/**
 * Percentiles over a sliding window, within 1 % (two figures), in memory that does not depend on how much happens: one histogram
 * a slice of the window; the oldest is dropped as a whole.
 */
export function createLatencies({ windowMs, slices }: LatencyOptions = LATENCY_WINDOW): Latencies {
  const sliceMs = windowMs / slices;
  let kept: Slice[] = [];
  let bornMs: number | undefined;

  function current(nowMs: number): RecordableHistogram {
    bornMs ??= nowMs;
    const index = Math.floor(nowMs / sliceMs);
    forget(index);
    let slice = kept.at(-1);
    if (slice?.index !== index) {
      slice = { index, histogram: createHistogram(RANGE) };
      kept.push(slice);
    }
    return slice.histogram;
  }

  const forget = (index: number) => {
    if (kept.length > 0 && kept[0]!.index <= index - slices)
      kept = kept.filter((slice) => slice.index > index - slices);
  };

  return {
    record(milliseconds, nowMs) {
      const microseconds = Math.round(milliseconds * 1000);
      current(nowMs).record(Math.min(RANGE.highest, Math.max(RANGE.lowest, microseconds)));
    },
    summary(nowMs) {
      forget(Math.floor(nowMs / sliceMs));
      const all = createHistogram(RANGE);
      for (const { histogram } of kept) all.add(histogram);
      const count = all.count;
      // As long as the window is not full it is as long as it lasts.
      const oldestMs = (Math.floor(nowMs / sliceMs) - slices + 1) * sliceMs;
      const spanMs = nowMs - Math.max(oldestMs, bornMs ?? nowMs);
      const percentile = (percent: number) => (count === 0 ? null : all.percentile(percent) / 1000);
      return {
        count,
        perSecond: spanMs > 0 ? (count * 1000) / spanMs : 0,
        p50Ms: percentile(50),
        p95Ms: percentile(95),
        p99Ms: percentile(99),
        maxMs: count === 0 ? null : all.max / 1000,
      };
    },
  };
}
