import { z } from "zod";
import { metricsSchema } from "../../runtime/adapter/adapter.ts";
import { PROGRESS_PHASES } from "../../runtime/train/request.ts";

const labelled = z.strictObject({ path: z.string(), label: z.string() });
/** null: nobody has said what it is. */
const sample = z.strictObject({ path: z.string(), label: z.string().nullable() });
const gate = z.strictObject({ minHeldOut: z.number(), maxForgetting: z.number() });

/** What the training process is asked, over IPC. Paths, not bytes: samples are many. */
export const jobSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("train"),
    model: z.string(),
    samples: z.array(sample),
    heldOut: z.array(labelled),
    method: z.string(),
    epochs: z.int().optional(),
    /** A place that is otherwise for good; see `adapt` of the runtime. */
    align: z.boolean().optional(),
    seed: z.int(),
    threads: z.int(),
    gate,
    /** The adapter that serves now. */
    start: z.string().optional(),
    /** Where the candidate goes. */
    output: z.string(),
    /** Where an interrupted job is put down and taken up again. */
    checkpoint: z.string().optional(),
    /** Where activations are kept from one job to the next. */
    cache: z.strictObject({ folder: z.string(), maxBytes: z.number() }).optional(),
    board: z.string(),
    createdAt: z.string(),
  }),
  z.strictObject({
    kind: z.literal("appraise"),
    model: z.string(),
    samples: z.array(labelled),
    candidate: z.string(),
    incumbent: z.string().optional(),
    threads: z.int(),
    gate,
  }),
]);

export type Job = z.infer<typeof jobSchema>;

export const progressSchema = z.object({
  phase: z.enum(PROGRESS_PHASES),
  done: z.number(),
  total: z.number(),
  loss: z.number().optional(),
  accuracy: z.number().optional(),
});

export type JobProgress = z.infer<typeof progressSchema>;

export const verdictSchema = z.object({
  decision: z.object({ accepted: z.boolean(), reason: z.string(), explanation: z.string() }),
  metrics: z.object({ before: metricsSchema, after: metricsSchema }),
  /** Of the candidate; for `train` it is the file at `output`. */
  sha256: z.string(),
  /** Samples that could not be read, and were left out. */
  unreadable: z.array(z.object({ path: z.string(), message: z.string() })),
});

export type Verdict = z.infer<typeof verdictSchema>;

/** What the process has taken, as it says itself; null where it cannot tell. */
const usageSchema = z.object({
  cpuSeconds: z.number().nullable(),
  peakMemoryBytes: z.number().nullable(),
  writtenBytes: z.number().nullable(),
});

/** What the training process says back. */
export const messageSchema = z.discriminatedUnion("tag", [
  z.object({ tag: z.literal("alive") }),
  z.object({ tag: z.literal("progress"), progress: progressSchema }),
  z.object({ tag: z.literal("done"), verdict: verdictSchema }),
  /** Comes before `done` or `failed`. */
  z.object({ tag: z.literal("usage"), usage: usageSchema }),
  z.object({
    tag: z.literal("failed"),
    code: z.string(),
    message: z.string(),
    at: z.string().optional(),
    found: z.string().optional(),
    wanted: z.string().optional(),
  }),
]);

export type TrainerMessage = z.infer<typeof messageSchema>;

/** How often the training process says that it lives, between native calls. */
export const HEARTBEAT_MS = 1000;
