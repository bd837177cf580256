import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { MemoryMeter } from "../runtime/index.ts";

const STATUS = "/proc/self/status";
const CLEAR_REFS = "/proc/self/clear_refs";

/**
 * Reads the kernel's own account of this process where there is one (Linux): the peak is the kernel's, so that nothing between two
 * looks is missed. Elsewhere the peak is what is held when it is asked for.
 * @see proc(5), VmHWM of /proc/pid/status, and 5 written to /proc/pid/clear_refs
 */
export function createMemoryMeter(): MemoryMeter {
  return canResetPeak() ? procfsMeter : samplingMeter;
}

const procfsMeter: MemoryMeter = {
  residentBytes: () => nativePart(readStatus().VmRSS),
  peakBytes: () => nativePart(readStatus().VmHWM),
  resetPeak() {
    collectGarbage();
    resetHighWaterMark();
  },
};

const samplingMeter: MemoryMeter = {
  residentBytes: () => process.memoryUsage.rss() - heapBytes(),
  peakBytes: () => samplingMeter.residentBytes(),
  resetPeak: () => collectGarbage(),
};

const SWEEPING_MS = 50;

/** Buffers that nobody needs any more would otherwise be given back while something else is measured. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("globalThis.gc");
  if (typeof collect !== "function") return;
  for (let round = 0; round < 2; round++) {
    collect();
    // What it has left is swept, and given back, by threads beside us.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SWEEPING_MS);
  }
}

/** Mapped files stay mapped and the heap hardly moves during a native call: now and at the peak they are the same. */
const nativePart = (bytes: number): number => bytes - readStatus().RssFile - heapBytes();

/** Of the JavaScript heap, what has been touched: it reserves more. */
const heapBytes = (): number => getHeapStatistics().total_physical_size;

type Key = "VmRSS" | "VmHWM" | "RssFile";

function readStatus(): Record<Key, number> {
  const text = readFileSync(STATUS, "latin1");
  const bytes = (key: Key) => Number(new RegExp(`^${key}:\\s*(\\d+) kB`, "m").exec(text)?.[1] ?? Number.NaN) * 1024;
  return { VmRSS: bytes("VmRSS"), VmHWM: bytes("VmHWM"), RssFile: bytes("RssFile") };
}

function canResetPeak(): boolean {
  try {
    resetHighWaterMark();
    return Object.values(readStatus()).every(Number.isFinite);
  } catch {
    return false;
  }
}

function resetHighWaterMark(): void {
  const file = openSync(CLEAR_REFS, "w");
  try {
    writeSync(file, "5");
  } finally {
    closeSync(file);
  }
}
