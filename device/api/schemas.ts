import * as z from "zod";
import { metricsSchema } from "../../runtime/adapter/adapter.ts";
import { progressSchema } from "../rounds/job-messages.ts";
import { roundSchema } from "../rounds/record.ts";
import { answer, count, problemSchema } from "./answer.ts";

const milliseconds = z.number().nullable();
const latency = z.object({
  count,
  perSecond: z.number(),
  p50Ms: milliseconds,
  p95Ms: milliseconds,
  p99Ms: milliseconds,
  maxMs: milliseconds,
});

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
  inference: z.object({
    queue: z.object({
      bound: count,
      policy: z.string(),
      waiting: count,
      /** Had no place, or lost it. */
      dropped: count,
      perSource: z.record(z.string(), z.object({ waiting: count, dropped: count })),
    }),
    /** Of the last minutes, from being asked to the answer; and of it the time in line. */
    latency,
    waiting: latency,
  }),
  samples: z.object({ total: count, bytes: count, new: count, perClass: z.record(z.string(), count) }),
  sources: z.array(
    z.object({
      name: z.string(),
      accepted: count,
      inferred: count,
      rejected: count,
      /** Of sources that depend on a program or a broker. */
      state: z.enum(["running", "waiting", "stopped"]).optional(),
      problem: problemSchema.nullable().optional(),
      starts: count.optional(),
      /** Left out on purpose: silence, pictures between two that were looked at, what found no place in the queue. */
      skipped: count.optional(),
    }),
  ),
  round: z.object({
    /** `running`, or why none runs. */
    state: z.string(),
    /** Where a round is that is under way: `planned`, `caching`, `training`, `paused`, `shadowing`, … */
    phase: z.string().optional(),
    /** All that holds it back, the most important first. */
    reasons: z.array(z.object({ code: z.string(), found: z.string(), wanted: z.string() })).optional(),
    progress: progressSchema.nullable(),
    last: roundSchema.nullable(),
  }),
  /** null: no broker is configured for results. */
  results: z.record(z.string(), z.unknown()).nullable(),
  /** null: no fleet is configured. */
  sync: z.record(z.string(), z.unknown()).nullable(),
  /** What went wrong at the start and was got over. */
  problems: z.array(problemSchema),
});

const inference = z.object({
  label: z.string(),
  confidence: z.number(),
  probabilities: z.record(z.string(), z.number()),
  adapter: z.string().nullable(),
  milliseconds: z.number(),
});
export const inferSchema = answer("infer", inference.shape);

const failedFile = z.object({ file: z.string(), error: problemSchema });
/** Of a request with several files. */
export const inferEachSchema = answer("infer-each", {
  results: z.array(z.union([inference.extend({ file: z.string() }), failedFile])),
});

export const storedSchema = answer("stored", {
  results: z.array(
    z.union([z.object({ file: z.string(), sha256: z.string(), label: z.string().nullable() }), failedFile]),
  ),
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
  /** The last one that proved itself. */
  good: shelved.nullable().optional(),
  /** What a person wants served; null: whatever rounds and fleet bring. */
  pinned: z.object({ adapter: z.string().nullable() }).nullable().optional(),
  refused: z.array(z.object({ sha256: z.string(), reason: z.string() })),
});

export const roundsSchema = answer("rounds", { rounds: z.array(roundSchema) });
export const roundAnswerSchema = answer("round", { round: roundSchema });

/** `POST /v1/adapt` answers with lines of these, the last one being `done` or `failed`. */
export const roundEventSchema = z.discriminatedUnion("tag", [
  z.object({ schema: z.literal("lichen/round-event/1"), tag: z.literal("progress"), progress: progressSchema }),
  z.object({ schema: z.literal("lichen/round-event/1"), tag: z.literal("done"), round: roundSchema }),
  z.object({ schema: z.literal("lichen/round-event/1"), tag: z.literal("failed"), error: problemSchema }),
]);

export const rollbackSchema = answer("rollback", { serving: z.string().nullable(), version: count });

export const useSchema = answer("use", { serving: z.string().nullable(), pinned: z.boolean() });

export const logsSchema = answer("logs", {
  records: z.array(z.object({ level: z.string(), time: z.string(), message: z.string(), code: z.string().optional() })),
  /** How many were logged since the start: what comes later is had by `after` this. */
  next: count.optional(),
});
export type LogsAnswer = z.infer<typeof logsSchema>;

const meaning = z.object({ code: z.string(), explanation: z.string(), todo: z.string() });

export const whySchema = answer("why", {
  /** `starts`: nothing holds a round back. `waits`: none is there. `runs`, `paused`: one is. */
  state: z.enum(["starts", "waits", "runs", "paused"]),
  /** Where the round is that is under way; `idle` where there is none. */
  phase: z.string(),
  /** All that hold now, the most important first. */
  reasons: z.array(
    meaning.extend({
      found: z.string(),
      wanted: z.string(),
      /** It is over then, if nothing else happens; null: only an event can change it. */
      againSeconds: z.number().nullable(),
    }),
  ),
  /** Of the last round that has ended: what came of it. */
  last: meaning.extend({ id: count, kind: z.string(), outcome: z.string(), found: z.string() }).nullable(),
  /** What a person wants served; null: nobody does. */
  pinned: z.object({ adapter: z.string().nullable() }).nullable(),
  /** Adapters out of service or refused, the newest first. */
  adapters: z.array(meaning.extend({ sha256: z.string() })),
  problems: z.array(problemSchema),
});
export type WhyAnswer = z.infer<typeof whySchema>;

const reading = z.number().nullable();

/** The board as it is now; null is what it cannot tell. */
export const boardSchema = answer("board", {
  temperatureCelsius: reading,
  throttling: z.object({ underVoltage: z.boolean(), slowed: z.boolean() }).nullable(),
  /** Percent of the last ten seconds in which something waited for it. */
  pressure: z.object({ cpu: reading, memory: reading, io: reading }),
  load: reading,
  cores: count,
  availableBytes: reading,
  mains: z.boolean().nullable(),
  batteryPercent: reading,
  clock: z.object({ now: z.string(), trusted: z.boolean() }),
  /** Of the daemon; what its training processes wrote is in it. */
  process: z.object({ residentBytes: count, uptimeSeconds: count, cpuSeconds: count, writtenBytes: reading }),
  disk: z.object({ freeBytes: reading, totalBytes: reading, writable: z.boolean() }),
  config: z.string(),
  data: z.string(),
});
export type BoardAnswer = z.infer<typeof boardSchema>;

/** Every answer that is not a 2xx. */
export const errorSchema = problemSchema;

export type Status = z.infer<typeof statusSchema>;
export type InferAnswer = z.infer<typeof inferSchema>;
export type AdaptersAnswer = z.infer<typeof adaptersSchema>;
export type RollbackAnswer = z.infer<typeof rollbackSchema>;
export type UseAnswer = z.infer<typeof useSchema>;
export type RoundEvent = z.infer<typeof roundEventSchema>;
export type Shelved = z.infer<typeof shelved>;
