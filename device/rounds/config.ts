import * as z from "zod";

const MiB = 2 ** 20;
const amount = z.number().nonnegative();

/** A candidate that passed the gate works beside the current adapter before it serves. */
export const shadowSchema = z.strictObject({
  minInferences: z
    .int()
    .nonnegative()
    .default(0)
    .describe("So many live inferences are answered by both before it is judged; 0: it serves at once."),
  maxSeconds: z
    .number()
    .positive()
    .default(3600)
    .describe("It is judged by what there is after so long; where nothing speaks against it, it serves."),
  maxDisagreement: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("Share of inferences in which the two may answer differently; without it they may in any."),
  maxEntropyRise: amount
    .default(0.2)
    .describe(
      "By how many nats the entropy of its answers may lie above the current adapter's, on average: it may be so much less sure.",
    ),
  minFreeBytes: amount.default(96 * MiB).describe("A second session is only opened while so much memory is available."),
  whenMemoryIsShort: z
    .enum(["commit", "wait"])
    .default("commit")
    .describe(
      "What a board without that memory does: serve what passed the gate, or wait for memory, as long as `maxSeconds`, and then let it go.",
    ),
});

export const pauseSchema = z.strictObject({
  releaseAfterSeconds: amount
    .default(60)
    .describe("A round paused for longer gives its memory back, and goes on from its checkpoint."),
});

export const processSchema = z.strictObject({
  maxMemoryBytes: z
    .int()
    .positive()
    .min(64 * MiB)
    .optional()
    .describe("The training process is ended when it holds more; without it, half of the board's memory."),
  maxHeapBytes: z
    .int()
    .positive()
    .min(32 * MiB)
    .default(256 * MiB)
    .describe("Bound of its JavaScript heap; tensors live outside of it."),
  graceSeconds: amount.default(10).describe("When asked to end, it has so long to put down what it has learnt."),
});

export type ShadowPolicy = z.output<typeof shadowSchema>;
export type PausePolicy = z.output<typeof pauseSchema>;
export type ProcessPolicy = z.output<typeof processSchema>;
