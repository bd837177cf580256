import type { Clock } from "../clock.ts";

/** How long the oldest piece of work in hand has been under way. */
export interface Pulse {
  around<T>(work: () => Promise<T>): Promise<T>;
  /** null: there is none. */
  busyMs(): number | null;
}

export function createPulse(clock: Pick<Clock, "monotonicMs">): Pulse {
  const sinceMs = new Set<{ readonly atMs: number }>();
  return {
    async around(work) {
      const begun = { atMs: clock.monotonicMs() };
      sinceMs.add(begun);
      try {
        return await work();
      } finally {
        sinceMs.delete(begun);
      }
    },
    busyMs() {
      // A set keeps the order in which things were begun.
      const [oldest] = sinceMs;
      return oldest === undefined ? null : clock.monotonicMs() - oldest.atMs;
    },
  };
}
