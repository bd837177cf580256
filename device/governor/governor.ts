import type { Clock } from "../clock.ts";
import { hasHours } from "./bounds.ts";
import type { Policy } from "./config.ts";
import type { BoardFacts, InferenceFacts, RoundFacts, TimeFacts } from "./facts.ts";
import { govern, type Verdict } from "./govern.ts";
import type { Readings } from "./readings.ts";

/** The board's one governor, asked by the rounds of every model on it. */
export interface Governor {
  /** The answer to act on. The board is read only for a round that nothing else holds back: an idle daemon does not read it. */
  decide(round: RoundFacts, inference: InferenceFacts): Promise<Verdict>;
  /** The answer to show: all reasons, of the board as it is now. */
  explain(round: RoundFacts, inference: InferenceFacts): Promise<Verdict>;
}

export interface GovernorOptions {
  readonly readings: Readings;
  readonly isClockTrusted: (wallMs: number) => Promise<boolean>;
  readonly clock: Clock;
  /** Asked each time: the configuration may be read again. */
  readonly policy: () => Policy;
}

export function createGovernor({ readings, isClockTrusted, clock, policy }: GovernorOptions): Governor {
  let last: { readonly board: BoardFacts; readonly atMs: number } | null = null;
  let reading: Promise<BoardFacts> | null = null;

  /** Several models that ask in the same moment get one answer. */
  async function board(): Promise<BoardFacts> {
    if (last !== null && clock.monotonicMs() - last.atMs < FRESH_MS) return last.board;
    reading ??= readings.read().finally(() => {
      reading = null;
    });
    const now = await reading;
    last = { board: now, atMs: clock.monotonicMs() };
    return now;
  }

  /** Whether the clock is right matters to hours only, and may take a program to find out. */
  async function time(): Promise<TimeFacts> {
    const wallMs = clock.wallMs();
    return { wallMs, trusted: !hasHours(policy()) || (await isClockTrusted(wallMs)) };
  }

  return {
    async decide(round, inference) {
      const facts = { round, inference, time: await time() };
      const unseen = govern({ ...facts, board: UNSEEN }, policy());
      if (unseen.tag === "wait" || unseen.tag === "pause") return unseen;
      return govern({ ...facts, board: await board() }, policy());
    },
    explain: async (round, inference) =>
      govern({ round, inference, time: await time(), board: await board() }, policy()),
  };
}

/** Readings as old as this are still of now. */
const FRESH_MS = 1000;

const UNSEEN: BoardFacts = {
  temperature: null,
  throttling: null,
  pressure: { cpu: null, memory: null, io: null },
  load: null,
  cores: 1,
  availableBytes: null,
  mains: null,
  batteryPercent: null,
};
