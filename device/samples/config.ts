import * as z from "zod";

export const samplesConfig = z.strictObject({
  maxBytes: z
    .int()
    .positive()
    .default(256 * 1024 * 1024)
    .describe(
      "Bound of the sample store; beyond it unlabelled samples go first, down to a tenth of it, then the oldest sample of the biggest class.",
    ),
  privacy: z
    .enum(["raw", "features", "none"])
    .default("raw")
    .describe("What is kept of a sample: `raw`, the file; `features`, only what the model takes in; `none`, nothing."),
  keepUnlabelled: z
    .boolean()
    .default(false)
    .describe("Keep what was only sent to be inferred, to be labelled later or learnt from without a label."),
});

export type SamplesConfig = z.output<typeof samplesConfig>;
