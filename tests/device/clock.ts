import type { Clock } from "../../device/clock.ts";

export interface TestClock extends Clock {
  /** Lets time pass and calls what has become due. */
  pass(milliseconds: number): void;
}

export function testClock(): TestClock {
  let nowMs = 0;
  const due = new Map<object, { atMs: number; act: () => void }>();
  return {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    after(delayMs, act) {
      const key = {};
      due.set(key, { atMs: nowMs + delayMs, act });
      return () => void due.delete(key);
    },
    pass(milliseconds) {
      nowMs += milliseconds;
      for (const [key, { atMs, act }] of [...due]) {
        if (atMs > nowMs) continue;
        due.delete(key);
        act();
      }
    },
  };
}
