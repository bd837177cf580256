import type { Logger } from "pino";
import type { Clock } from "../clock.ts";
import type { Verdict as Ruling } from "../governor/govern.ts";

/** The governor's advice, which is asked for whenever something changes, and again when it is time to. */
export interface Advice {
  /** What was asked for before and has not come yet no longer counts. */
  ask(): void;
  /** The last word; null: there was none yet. */
  last(): Ruling | null;
  /** Nothing that was asked for counts, until somebody asks again. */
  callOff(): void;
}

export interface AdviceOptions {
  readonly decide: () => Promise<Ruling>;
  /** @returns after how long to ask again; null: when something changes */
  readonly obey: (said: Ruling) => number | null;
  readonly clock: Clock;
  readonly log: Logger;
}

export function createAdvice({ decide, obey, clock, log }: AdviceOptions): Advice {
  let last: Ruling | null = null;
  let asked = 0;
  let callOffNext = () => {};

  async function consider(): Promise<void> {
    callOffNext();
    const turn = ++asked;
    const said = await decide();
    if (turn !== asked) return;
    last = said;
    const againMs = obey(said);
    if (againMs !== null) callOffNext = clock.after(againMs, ask);
  }

  const ask = () => void consider().catch((error) => log.error({ err: error }, "the governor failed"));

  return {
    ask,
    last: () => last,
    callOff() {
      asked++;
      callOffNext();
    },
  };
}
