import * as z from "zod";
import { brokerOrFleetsKeys } from "../config/broker.ts";

const topicPrefix = z
  .string()
  .max(200)
  .regex(/^[^+#\0/]+(\/[^+#\0/]+){0,3}$/, "one to four levels without + and #");

/** Results for whoever listens to a broker: a plain topic with JSON for each model. */
export const resultsSchema = z.strictObject({
  ...brokerOrFleetsKeys,
  prefix: topicPrefix
    .default("lichen/results")
    .describe(
      "Results go to `<prefix>/<device>/<model>/result`; beside them, `availability` is `online` or `offline`.",
    ),
  retain: z.boolean().default(true).describe("Whether the broker keeps the last result for those who come later."),
  homeAssistant: z
    .strictObject({
      enabled: z
        .boolean()
        .default(false)
        .describe(
          "Announce two sensors for each model, label and confidence. Set to false, and keep `results`, to have them taken back.",
        ),
      prefix: topicPrefix.default("homeassistant").describe("Where Home Assistant looks for announcements."),
    })
    .prefault({}),
});

export type ResultsConfig = z.output<typeof resultsSchema>;
