import { z } from "zod";

const TOPIC_PREFIX = /^[^+#\0/]+(\/[^+#\0/]+){0,3}$/;

/** Results for whoever listens to a broker: a plain topic with JSON for each model. */
export const resultsSchema = z.strictObject({
  /** Address of the broker, `mqtt://host:1883` or `mqtts://…`; without it, the fleet's, with its username and password. */
  broker: z.url({ protocol: /^(mqtts?|wss?)$/, error: "an address such as mqtt://host:1883" }).optional(),
  username: z.string().min(1).optional(),
  password: z.string().optional(),
  /** Results go to `<prefix>/<device>/<model>/result`; beside them, `availability` is `online` or `offline`. */
  prefix: z.string().max(200).regex(TOPIC_PREFIX, "one to four levels without + and #").default("lichen/results"),
  /** Whether the broker keeps the last result for those who come later. */
  retain: z.boolean().default(true),
  homeAssistant: z
    .strictObject({
      /** Announce two sensors for each model, label and confidence. Set to false, and keep `results`, to have them taken back. */
      enabled: z.boolean().default(false),
      /** Where Home Assistant looks for announcements. */
      prefix: z.string().max(200).regex(TOPIC_PREFIX, "one to four levels without + and #").default("homeassistant"),
    })
    .prefault({}),
});

export type ResultsConfig = z.output<typeof resultsSchema>;
