import * as z from "zod";
import { predictionSchema } from "../samples/sample.ts";
import { answer, count, problemSchema } from "./answer.ts";

/* Answers about samples and labels; as in `schemas.ts`. */

const kept = {
  sha256: z.string(),
  bytes: count,
  /** By the board's clock, which may be wrong. */
  arrivedAt: z.string(),
  source: z.string().nullable(),
  /** Who gave the label, or took it back. */
  origin: z.string().nullable(),
  prediction: predictionSchema.nullable(),
  /** `features`: only what the model takes in is kept. */
  form: z.enum(["raw", "features"]),
};

/** Oldest first. */
export const samplesSchema = answer("samples", {
  samples: z.array(z.object({ ...kept, label: z.string(), new: z.boolean() })),
  unlabelled: z.array(z.object(kept)),
});

export const labelledSchema = answer("labelled", {
  samples: z.array(
    z.object({
      sha256: z.string(),
      before: z.string().nullable(),
      label: z.string().nullable(),
      /** `stands`: what was said before counts more than what was said now. */
      outcome: z.enum(["relabelled", "known", "stands"]),
    }),
  ),
});

export const importedSchema = answer("imported", {
  stored: count,
  known: count,
  relabelled: count,
  refused: z.array(z.object({ file: z.string(), error: problemSchema })),
});

export const purgedSchema = answer("purged", {
  /** Nothing was erased: so much would be. */
  dryRun: z.boolean(),
  erased: count,
  bytes: count,
  remarks: z.array(z.string()),
});

export type SamplesAnswer = z.infer<typeof samplesSchema>;
export type LabelledAnswer = z.infer<typeof labelledSchema>;
export type PurgedAnswer = z.infer<typeof purgedSchema>;
