import { z } from "zod";
import { predictionSchema } from "../samples/sample.ts";
import { selectorSchema } from "../samples/selector.ts";

/** Answers about samples and labels, shared with the command; as in `schemas.ts`. */
const problem = z.object({ code: z.string(), message: z.string() });
const count = z.number();

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
export const samplesSchema = z.object({
  schema: z.literal("lichen/samples/1"),
  samples: z.array(z.object({ ...kept, label: z.string(), new: z.boolean() })),
  unlabelled: z.array(z.object(kept)),
});

export const labelledSchema = z.object({
  schema: z.literal("lichen/labelled/1"),
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

export const importedSchema = z.object({
  schema: z.literal("lichen/imported/1"),
  stored: count,
  known: count,
  relabelled: count,
  refused: z.array(z.object({ file: z.string(), error: problem })),
});

export const purgeRequestSchema = z.strictObject({ select: selectorSchema, dryRun: z.boolean().default(false) });

export const purgedSchema = z.object({
  schema: z.literal("lichen/purged/1"),
  /** Nothing was erased: so much would be. */
  dryRun: z.boolean(),
  erased: count,
  bytes: count,
  remarks: z.array(z.string()),
});

export type SamplesAnswer = z.infer<typeof samplesSchema>;
export type LabelledAnswer = z.infer<typeof labelledSchema>;
export type PurgedAnswer = z.infer<typeof purgedSchema>;
