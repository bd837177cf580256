import type { Logger } from "pino";
import type { LichenError } from "../../runtime/errors.ts";
import type { Clock } from "../clock.ts";
import type { StateFile } from "../disk/state-file.ts";
import type { RoundFacts } from "../governor/facts.ts";
import { begun, failuresInARow, type History, interrupted, isOwed, NO_HISTORY, type Round, updated } from "./record.ts";

/** What came of rounds, on disk. */
export interface Ledger {
  /** Whatever still runs by the file was cut off. @param except the round that can say for itself how it goes on */
  load(message: string, except: number | undefined): Promise<readonly LichenError[]>;
  /** On disk before the work: a round cut off by a power cut is known to be missing.  @throws STORAGE_FAILED: it is not opened */
  open(round: Pick<Round, "kind" | "trigger" | "samples" | "continues" | "unlabelled">): Promise<number>;
  /** What was opened and could not begin. */
  abandon(message: string): void;
  /** Of a round that nobody remembers, nothing. What the disk does not take is said, and kept in memory. */
  close(id: number, result: Partial<Round>): Promise<void>;
  /** A round failed of which not even a record could be made. */
  failed(): void;
  record(id: number | undefined): Round | undefined;
  rounds(): readonly Round[];
  nextId(): number;
  facts(): Pick<RoundFacts, "owed" | "failuresInARow" | "sinceFailureMs" | "needsBytes">;
}

export interface LedgerOptions {
  readonly file: StateFile<History>;
  readonly clock: Clock;
  readonly log: Logger;
}

export function createLedger({ file, clock, log }: LedgerOptions): Ledger {
  let history = NO_HISTORY;
  let failure = { inARow: 0, atMs: Number.NEGATIVE_INFINITY };

  const counted = () => ({ inARow: failuresInARow(history), atMs: clock.monotonicMs() });
  const record = (id: number | undefined) => history.rounds.find((round) => round.id === id);

  return {
    async load(message, except) {
      const past = await file.load();
      history = interrupted(past.value, message, except);
      failure = counted();
      return past.damage;
    },
    async open(round) {
      const opening = begun(history, {
        ...round,
        startedAt: new Date(clock.wallMs()).toISOString(),
        seconds: null,
        adapter: null,
        metrics: null,
        outcome: { tag: "running" },
      });
      await file.save(opening);
      history = opening;
      return history.rounds.at(-1)!.id;
    },
    abandon(message) {
      history = interrupted(history, message);
    },
    async close(id, result) {
      const running = record(id);
      if (running === undefined) return;
      history = updated(history, { ...running, ...result });
      // An offer that could not be judged says nothing about training here.
      if (running.kind === "train") failure = counted();
      await file.save(history).catch((error) => log.error({ err: error }, "the round could not be recorded"));
    },
    failed() {
      failure = { inARow: failure.inARow + 1, atMs: clock.monotonicMs() };
    },
    record,
    rounds: () => history.rounds,
    nextId: () => history.nextId,
    facts: () => ({
      owed: isOwed(history),
      failuresInARow: failure.inARow,
      sinceFailureMs: clock.monotonicMs() - failure.atMs,
      // What the last one took is the best guess of what the next one takes.
      needsBytes: history.rounds.findLast(({ kind }) => kind === "train")?.resources?.peakMemoryBytes ?? null,
    }),
  };
}
