import { z } from "zod";

const MiB = 2 ** 20;
const amount = z.number().nonnegative();

/** A candidate that passed the gate works beside the current adapter before it serves. */
export const shadowSchema = z.strictObject({
  /** So many live inferences are answered by both before it is judged; 0: it serves at once. */
  minInferences: z.int().nonnegative().default(0),
  /** It is judged by what there is after so long; where nothing speaks against it, it serves. */
  maxSeconds: z.number().positive().default(3600),
  /** Share of inferences in which the two may answer differently; without it they may in any. */
  maxDisagreement: z.number().min(0).max(1).optional(),
  /** By how many nats the entropy of its answers may lie above the current adapter's, on average: it may be so much less sure. */
  maxEntropyRise: amount.default(0.2),
  /** A second session is only opened while so much memory is available. */
  minFreeBytes: amount.default(96 * MiB),
  /** What a board without that memory does: serve what passed the gate, or wait for memory, as long as `maxSeconds`, and then let it go. */
  whenMemoryIsShort: z.enum(["commit", "wait"]).default("commit"),
});

export const pauseSchema = z.strictObject({
  /** A round paused for longer gives its memory back, and goes on from its checkpoint. */
  releaseAfterSeconds: amount.default(60),
});

export const processSchema = z.strictObject({
  /** The training process is ended when it holds more; without it, half of the board's memory. */
  maxMemoryBytes: z
    .int()
    .positive()
    .min(64 * MiB)
    .optional(),
  /** Bound of its JavaScript heap; tensors live outside of it. */
  maxHeapBytes: z
    .int()
    .positive()
    .min(32 * MiB)
    .default(256 * MiB),
  /** When asked to end, it has so long to put down what it has learnt. */
  graceSeconds: amount.default(10),
});

export type ShadowPolicy = z.output<typeof shadowSchema>;
export type PausePolicy = z.output<typeof pauseSchema>;
export type ProcessPolicy = z.output<typeof processSchema>;
