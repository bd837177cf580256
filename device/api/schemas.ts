import { z } from "zod";
import { metricsSchema } from "../../runtime/adapter/adapter.ts";
import { progressSchema } from "../rounds/job.ts";
import { roundSchema } from "../rounds/record.ts";

/** What the daemon answers, shared with the command. A change that breaks a reader gets a new number. */
const answer = <N extends string, S extends z.ZodRawShape>(name: N, shape: S) =>
  z.object({ schema: z.literal(`lichen/${name}/1`), ...shape });

const problem = z.object({ code: z.string(), message: z.string() });
const count = z.number();

export const statusSchema = answer("status", {
  device: z.string(),
  version: z.string(),
  uptimeSeconds: z.number(),
  /** Names of the models that the daemon serves; what follows is of one of them. */
  models: z.array(z.string()),
  model: z.object({ id: z.string(), version: z.string(), sha256: z.string(), labels: z.array(z.string()) }),
  adapter: z.object({
    /** What serves; null is the bare base. */
    serving: z.string().nullable(),
    current: z.string().nullable(),
    previous: z.string().nullable(),
    version: count,
  }),
  inferences: count,
  samples: z.object({ total: count, bytes: count, new: count, perClass: z.record(z.string(), count) }),
  sources: z.array(z.object({ name: z.string(), accepted: count, inferred: count, rejected: count })),
  round: z.object({
    /** `running`, or why none runs. */
    state: z.string(),
    progress: progressSchema.nullable(),
    last: roundSchema.nullable(),
  }),
  /** null: no fleet is configured. */
  sync: z.record(z.string(), z.unknown()).nullable(),
  /** What went wrong at the start and was got over. */
  problems: z.array(problem),
});

export const inferSchema = answer("infer", {
  label: z.string(),
  confidence: z.number(),
  probabilities: z.record(z.string(), z.number()),
  adapter: z.string().nullable(),
  milliseconds: z.number(),
});

export const samplesSchema = answer("samples", {
  samples: z.array(z.object({ sha256: z.string(), label: z.string(), bytes: count, new: z.boolean() })),
});

const shelved = z.object({
  sha256: z.string(),
  method: z.string().nullable(),
  board: z.string().nullable(),
  createdAt: z.string().nullable(),
  bytes: count.nullable(),
  metrics: z.object({ before: metricsSchema, after: metricsSchema }).nullable(),
});

export const adaptersSchema = answer("adapters", {
  version: count,
  current: shelved.nullable(),
  previous: shelved.nullable(),
  refused: z.array(z.object({ sha256: z.string(), reason: z.string() })),
});

export const roundsSchema = answer("rounds", { rounds: z.array(roundSchema) });
export const roundAnswerSchema = answer("round", { round: roundSchema });

/** `POST /v1/adapt` answers with lines of these, the last one being `done` or `failed`. */
export const roundEventSchema = z.discriminatedUnion("tag", [
  z.object({ schema: z.literal("lichen/round-event/1"), tag: z.literal("progress"), progress: progressSchema }),
  z.object({ schema: z.literal("lichen/round-event/1"), tag: z.literal("done"), round: roundSchema }),
  z.object({ schema: z.literal("lichen/round-event/1"), tag: z.literal("failed"), error: problem }),
]);

export const rollbackSchema = answer("rollback", { serving: z.string().nullable(), version: count });

/** Every answer that is not a 2xx. */
export const errorSchema = problem;

export type Status = z.infer<typeof statusSchema>;
export type InferAnswer = z.infer<typeof inferSchema>;
export type SamplesAnswer = z.infer<typeof samplesSchema>;
export type AdaptersAnswer = z.infer<typeof adaptersSchema>;
export type RollbackAnswer = z.infer<typeof rollbackSchema>;
export type RoundEvent = z.infer<typeof roundEventSchema>;
export type Shelved = z.infer<typeof shelved>;
