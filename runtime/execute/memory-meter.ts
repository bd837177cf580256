/**
 * What the process holds in native memory: all that is resident, but for files mapped into it (code that has been loaded) and for
 * the JavaScript heap, which grows and shrinks as its collector likes.
 */
export interface MemoryMeter {
  /** Bytes held now. */
  residentBytes(): number;
  /** Most bytes held at once since the last `resetPeak`. */
  peakBytes(): number;
  resetPeak(): void;
}
