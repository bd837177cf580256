import * as z from "zod";

/** Logs go to stderr, which under systemd is the journal. */
export const logSchema = z.strictObject({
  level: z
    .enum(["trace", "debug", "info", "warn", "error", "silent"])
    .default("info")
    .describe("The least that is logged."),
  format: z.enum(["text", "json"]).default("text").describe("Lines for people, or for a log collector."),
  burst: z.int().positive().default(50).describe("So many lines of one kind are written at once …"),
  perMinute: z
    .number()
    .positive()
    .default(30)
    .describe("… and then so many a minute; how many were held back is told."),
  keep: z
    .int()
    .min(0)
    .max(10_000)
    .default(500)
    .describe("So many of the last lines are kept in memory, for `lichen logs`."),
});

/** Prometheus metrics at `GET /metrics`; without this key there are none. */
export const metricsSchema = z.strictObject({
  maxClasses: z
    .int()
    .nonnegative()
    .default(64)
    .describe("Samples are counted class by class up to so many classes; of a model with more only their sum is told."),
});

export type LogConfig = z.output<typeof logSchema>;
export type MetricsConfig = z.output<typeof metricsSchema>;
