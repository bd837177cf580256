import { z } from "zod";

/** Logs go to stderr, which under systemd is the journal. */
export const logSchema = z.strictObject({
  /** The least that is logged. */
  level: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
  /** Lines for people, or for a log collector. */
  format: z.enum(["text", "json"]).default("text"),
  /** So many lines of one kind are written at once … */
  burst: z.int().positive().default(50),
  /** … and then so many a minute; how many were held back is told. */
  perMinute: z.number().positive().default(30),
  /** So many of the last lines are kept in memory, for `lichen logs`. */
  keep: z.int().min(0).max(10_000).default(500),
});

/** Prometheus metrics at `GET /metrics`; without this key there are none. */
export const metricsSchema = z.strictObject({
  /** Samples are counted class by class up to so many classes; of a model with more only their sum is told. */
  maxClasses: z.int().nonnegative().default(64),
});

export type LogConfig = z.output<typeof logSchema>;
export type MetricsConfig = z.output<typeof metricsSchema>;
