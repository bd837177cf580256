/** Wakes one loop when anything it looks at may have changed. */
export interface Bell {
  ring(): void;
  /** How often it has rung: read before looking, so that a ring while looking is not missed. */
  rings(): number;
  /** Resolves when it has rung since that count, or after `timeoutMs`. */
  after(rings: number, timeoutMs: number): Promise<void>;
}

export function createBell(): Bell {
  let count = 0;
  let wake: (() => void) | undefined;
  return {
    ring() {
      count++;
      wake?.();
    },
    rings: () => count,
    after: (rings, timeoutMs) =>
      new Promise((resolve) => {
        if (rings !== count) return resolve();
        const timer = setTimeout(() => wake?.(), Math.min(timeoutMs, LONGEST_TIMER_MS));
        wake = () => {
          clearTimeout(timer);
          wake = undefined;
          resolve();
        };
      }),
  };
}

/** A longer one would overflow and fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
