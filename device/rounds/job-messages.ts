import * as z from "zod";
import { metricsSchema } from "../../runtime/adapter/adapter.ts";
import { PROGRESS_PHASES } from "../../runtime/train/request.ts";

/* Beside `job.ts`, not in it: the daemon checks what it is told, and only the training process what it is asked. */

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
