import * as z from "zod";
import { QUEUE_POLICIES, type QueuePolicy } from "./queue.ts";

export const inferenceSchema = z.strictObject({
  queue: z
    .strictObject({
      bound: z.int().min(1).max(10_000).default(32).describe("So many inferences may wait, of all sources together."),
      policy: z
        .enum(Object.keys(QUEUE_POLICIES) as [QueuePolicy, ...QueuePolicy[]])
        .default("reject")
        .describe(
          "What gives way when it is full: the newcomer (`reject`), what has waited longest (`drop-oldest`), or what came last (`drop-newest`).",
        ),
    })
    .prefault({}),
});
