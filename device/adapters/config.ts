import { z } from "zod";

const count = z.int().nonnegative();
const amount = z.number().nonnegative();
const share = z.number().min(0).max(1);

/** How far an adapter is trusted, and what takes it away again. */
export const adaptersSchema = z.strictObject({
  /** An adapter that served for so long without a revert becomes the last-known-good one. Both bounds count. */
  proof: z
    .strictObject({
      inferences: count.default(50),
      hours: amount.default(1),
    })
    .prefault({}),
  crashLoop: z
    .strictObject({
      /** At this start in a row with one adapter, none of those before having lasted, the last-known-good one is served; 0 never. */
      starts: count.default(3),
      /** A start has lasted when it has served for so long … */
      seconds: amount.default(60),
      /** … or has answered so often. */
      inferences: z.int().positive().default(20),
    })
    .prefault({}),
  revert: z
    .strictObject({
      /** Go back by itself when live quality drops. */
      enabled: z.boolean().default(true),
      /** Also for an adapter that is last-known-good: by then it is rather the world that has changed, and training helps. */
      whenProven: z.boolean().default(false),
      /** The first so many answers of an adapter say how sure it usually is. */
      baseline: z.int().min(20).default(100),
      /** Confidence that must be lost before anything is done, 0.1 = from 0.9 to 0.8. */
      confidenceDrop: share.default(0.1),
      /** Loss of accuracy on newly labelled samples that is looked for, against what its gate saw. */
      accuracyDrop: z.number().min(0.05).max(0.9).default(0.15),
    })
    .prefault({}),
});

export type AdaptersConfig = z.output<typeof adaptersSchema>;
