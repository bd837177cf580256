/** Time, passed in. A board's wall clock may be wrong, so nothing is decided by it. */
export interface Clock {
  /** Since some fixed moment; never runs backwards. */
  monotonicMs(): number;
  wallMs(): number;
  /** Calls once, later; returns what calls it off. */
  after(delayMs: number, act: () => void): () => void;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, act) {
    const timer = setTimeout(act, delayMs);
    return () => clearTimeout(timer);
  },
};
