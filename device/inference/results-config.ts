import { z } from "zod";
import { brokerOrFleetsKeys } from "../config/broker.ts";

const TOPIC_PREFIX = /^[^+#\0/]+(\/[^+#\0/]+){0,3}$/;

/** Results for whoever listens to a broker: a plain topic with JSON for each model. */
export const resultsSchema = z.strictObject({
  ...brokerOrFleetsKeys,
  prefix: z
    .string()
    .max(200)
    .regex(TOPIC_PREFIX, "one to four levels without + and #")
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
      prefix: z
        .string()
        .max(200)
        .regex(TOPIC_PREFIX, "one to four levels without + and #")
        .default("homeassistant")
        .describe("Where Home Assistant looks for announcements."),
    })
    .prefault({}),
});

export type ResultsConfig = z.output<typeof resultsSchema>;
