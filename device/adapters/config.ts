import * as z from "zod";

const count = z.int().nonnegative();
const amount = z.number().nonnegative();
const share = z.number().min(0).max(1);

/** How far an adapter is trusted, and what takes it away again. */
export const adaptersSchema = z.strictObject({
  proof: z
    .strictObject({
      inferences: count.default(50).describe("So many inferences."),
      hours: amount.default(1).describe("So many hours."),
    })
    .prefault({})
    .describe(
      "An adapter that served for so long without a revert becomes the last-known-good one. Both bounds count.",
    ),
  crashLoop: z
    .strictObject({
      starts: count
        .default(3)
        .describe(
          "At this start in a row with one adapter, none of those before having lasted, the last-known-good one is served; 0 never.",
        ),
      seconds: amount.default(60).describe("A start has lasted when it has served for so long …"),
      inferences: z.int().positive().default(20).describe("… or has answered so often."),
    })
    .prefault({}),
  revert: z
    .strictObject({
      enabled: z.boolean().default(true).describe("Go back by itself when live quality drops."),
      whenProven: z
        .boolean()
        .default(false)
        .describe(
          "Also for an adapter that is last-known-good: by then it is rather the world that has changed, and training helps.",
        ),
      baseline: z
        .int()
        .min(20)
        .default(100)
        .describe("The first so many answers of an adapter say how sure it usually is."),
      confidenceDrop: share
        .default(0.1)
        .describe("Confidence that must be lost before anything is done, 0.1 = from 0.9 to 0.8."),
      accuracyDrop: z
        .number()
        .min(0.05)
        .max(0.9)
        .default(0.15)
        .describe("Loss of accuracy on newly labelled samples that is looked for, against what its gate saw."),
    })
    .prefault({}),
});

export type AdaptersConfig = z.output<typeof adaptersSchema>;
