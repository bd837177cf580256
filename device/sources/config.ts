import { z } from "zod";
import { WINDOW_POLICY } from "../../runtime/signal/windows.ts";
import { RAW_ENCODINGS } from "./stream/wav-stream.ts";

/** Of a source, unique among those of its model: it stands in results, in the status and in logs. */
const name = z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, "letters, digits, '-' and '_', at most 32");

export const folderSchema = z.strictObject({
  /** The folder: one subfolder a class, and `inbox`. */
  folder: z.string().min(1),
  /** A file counts as complete when it has not grown for so long. */
  stableMs: z.int().nonnegative().default(300),
  /** So many inferred files are kept in `done`. */
  keepDone: z.int().positive().default(200),
});

const rawFormat = z.strictObject({
  sampleRateHz: z.int().min(1).max(768_000),
  channels: z.int().min(1).max(8).default(1),
  /** As ALSA and ffmpeg call them. */
  encoding: z.enum(Object.keys(RAW_ENCODINGS) as [keyof typeof RAW_ENCODINGS]).default("s16le"),
});

export const commandSchema = z.strictObject({
  kind: z.literal("command"),
  name: name.default("command"),
  /** The program and its arguments, one by one: no shell reads them. Whatever runs until it is ended, and writes to stdout. */
  argv: z.tuple([z.string().min(1)], z.string()),
  /** What it writes: `wav`; samples without a header, which `raw` describes; or one JPEG behind the other, as MJPEG is. */
  stream: z.enum(["wav", "raw", "jpeg"]),
  /** Needed where `stream` is `raw`. */
  raw: rawFormat.optional(),
  /** What comes is stored as samples of this class; without it, it is inferred. */
  label: z.string().min(1).optional(),
  /** Share of a window of sound that the next one hears again. */
  overlap: z.number().min(0).max(0.95).default(WINDOW_POLICY.overlap),
  /** Windows that are no louder are silence, and skipped: mean power, in decibels against a full-scale square wave. */
  silenceDecibels: z.number().min(-200).max(0).default(WINDOW_POLICY.floorDecibels),
  /** Of pictures, the newest one is looked at so often. */
  everyMs: z.int().nonnegative().default(1000),
  /** A picture with more bytes is dropped. */
  maxPictureBytes: z
    .int()
    .min(1024)
    .max(64 * 1024 * 1024)
    .default(8 * 1024 * 1024),
  /** What the program writes beyond that in a second is read later. */
  maxBytesPerSecond: z
    .int()
    .min(1024)
    .default(32 * 1024 * 1024),
  /** Whether it is started again when it ended well; after a failure it always is. */
  again: z.enum(["always", "failure"]).default("always"),
  /** Wait before it is started again, doubled with each failure in a row, up to a minute; somewhat random. */
  retrySeconds: z.number().min(0.01).max(60).default(1),
  /** A program from which no sound and no picture has come for so long is ended and started again; 0: never. */
  hangSeconds: z.number().nonnegative().default(60),
  /** Between asking it to end (SIGTERM) and making it end (SIGKILL). */
  graceSeconds: z.number().positive().max(30).default(2),
});

const topicSchema = z.strictObject({
  /**
   * A topic, in which `+` stands for any one level and `#` at the end for all that follow. `{label}` stands for one level too: that
   * which names the class, as in `line-3/parts/{label}`.
   */
  topic: z
    .string()
    .min(1)
    .max(1024)
    .refine(
      (topic) => !topic.includes("\0") && /^(?:(?:\+|\{label\}|[^+#{}]*)\/)*(?:#|\+|\{label\}|[^+#{}]+)$/.test(topic),
      "a topic with whole levels +, {label}, or # at the end",
    )
    .refine((topic) => topic.split("{label}").length <= 2, "{label} at most once"),
  /** What comes is stored as samples of this class. Without it and without `{label}` in the topic, it is inferred. */
  label: z.string().min(1).optional(),
});

export const mqttSourceSchema = z.strictObject({
  kind: z.literal("mqtt"),
  name: name.default("mqtt"),
  /** Address of the broker, `mqtt://host:1883` or `mqtts://…`; without it, the fleet's, with its username and password. */
  broker: z.url({ protocol: /^(mqtts?|wss?)$/, error: "an address such as mqtt://host:1883" }).optional(),
  username: z.string().min(1).optional(),
  password: z.string().optional(),
  /** Each message is one file: WAV, JPEG, PNG or WebP. */
  topics: z.array(topicSchema).min(1),
  /** Bigger messages are refused. */
  maxBytes: z
    .int()
    .min(1024)
    .max(64 * 1024 * 1024)
    .default(16 * 1024 * 1024),
});

const folderSource = folderSchema.extend({ kind: z.literal("folder"), name: name.default("folder") });

/** Where samples, and what is to be inferred, come from; besides `watch` and HTTP. */
export const sourcesSchema = z
  .array(
    z
      .discriminatedUnion("kind", [folderSource, commandSchema, mqttSourceSchema], {
        error: "an entry with kind: folder, command or mqtt",
      })
      .superRefine((source, context) => {
        if (source.kind === "command" && (source.stream === "raw") !== (source.raw !== undefined))
          context.addIssue({ code: "custom", path: ["raw"], message: "a description exactly where stream is raw" });
      }),
  )
  .refine((sources) => new Set(sources.map((source) => source.name)).size === sources.length, "names that differ")
  .default([]);

export type SourceConfig = z.output<typeof sourcesSchema>[number];
export type CommandConfig = z.output<typeof commandSchema>;
export type MqttSourceConfig = z.output<typeof mqttSourceSchema>;
