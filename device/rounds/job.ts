import * as z from "zod";

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
