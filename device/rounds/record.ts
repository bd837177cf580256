import * as z from "zod";
// Not from the runtime's index: commands that only ask the daemon start without ONNX Runtime.
import { metricsSchema } from "../../runtime/adapter/adapter.ts";
import { resourcesSchema } from "../governor/resources.ts";
import { shadowCountsSchema } from "./shadow.ts";

export const outcomeSchema = z.discriminatedUnion("tag", [
  z.strictObject({ tag: z.literal("running") }),
  z.strictObject({ tag: z.literal("accepted"), reason: z.string(), explanation: z.string() }),
  z.strictObject({ tag: z.literal("rejected"), reason: z.string(), explanation: z.string() }),
  z.strictObject({ tag: z.literal("failed"), code: z.string(), message: z.string() }),
]);

/** One round as it is remembered and shown. */
export const roundSchema = z.strictObject({
  id: z.int().positive(),
  /** `train`: an adapter made here. `appraise`: one that the fleet offered. */
  kind: z.enum(["train", "appraise"]),
  trigger: z.enum(["samples", "request", "fleet"]),
  /** By the board's clock, which may be wrong. */
  startedAt: z.string(),
  seconds: z.number().nullable(),
  samples: z.strictObject({ train: z.int(), heldOut: z.int() }),
  adapter: z.string().nullable(),
  metrics: z.strictObject({ before: metricsSchema, after: metricsSchema }).nullable(),
  outcome: outcomeSchema,
  // What came later is optional: records of earlier versions are read.
  /** The round that this one goes on with: it was cut off. */
  continues: z.int().positive().optional(),
  /** How often it was paused. */
  pauses: z.int().nonnegative().optional(),
  /** Unlabelled samples that trained along. */
  unlabelled: z.int().nonnegative().optional(),
  shadow: shadowCountsSchema.optional(),
  resources: resourcesSchema.optional(),
});

export type Round = z.infer<typeof roundSchema>;
export type RoundOutcome = Round["outcome"];

export const historySchema = z.strictObject({
  format: z.literal(1),
  nextId: z.int().positive(),
  rounds: z.array(roundSchema),
});

/** The last rounds, oldest first. */
export type History = z.infer<typeof historySchema>;

export const NO_HISTORY: History = { format: 1, nextId: 1, rounds: [] };

const REMEMBERED = 100;

export const begun = (history: History, round: Omit<Round, "id">): History => ({
  format: 1,
  nextId: history.nextId + 1,
  rounds: [...history.rounds, { ...round, id: history.nextId }].slice(-REMEMBERED),
});

export const updated = (history: History, round: Round): History => ({
  ...history,
  rounds: history.rounds.map((other) => (other.id === round.id ? round : other)),
});

/** What still runs in the file at a start was cut off. @param except the round that can say for itself how it goes on */
export const interrupted = (history: History, message: string, except?: number): History => ({
  ...history,
  rounds: history.rounds.map((round) =>
    round.outcome.tag === "running" && round.id !== except
      ? { ...round, outcome: { tag: "failed", code: "ROUND_INTERRUPTED", message } }
      : round,
  ),
});

const training = (history: History): Round[] => history.rounds.filter((round) => round.kind === "train");

/** Whether the last training round was cut off from outside. */
export function isOwed(history: History): boolean {
  const last = training(history).at(-1)?.outcome;
  return last?.tag === "failed" && (last.code === "ROUND_INTERRUPTED" || last.code === "CANCELLED");
}

export function failuresInARow(history: History): number {
  const rounds = training(history).filter(({ outcome }) => outcome.tag !== "failed" || !BLAMELESS.has(outcome.code));
  const lastGood = rounds.findLastIndex((round) => round.outcome.tag !== "failed");
  return rounds.length - 1 - lastGood;
}

/** A clean stop is nobody's failure, nor is a rollback by hand. */
const BLAMELESS: ReadonlySet<string> = new Set(["CANCELLED", "ROUND_OVERTAKEN"]);
