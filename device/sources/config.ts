import * as z from "zod";
import { WINDOW_POLICY } from "../../runtime/signal/windows.ts";
import { brokerOrFleetsKeys } from "../config/broker.ts";
import { MAX_FILE_BYTES } from "./source.ts";
import { RAW_ENCODINGS } from "./stream/wav-stream.ts";

const nameOr = (kind: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,32}$/, "letters, digits, '-' and '_', at most 32")
    .default(kind)
    .describe("Of the source, unique among those of its model: it stands in results, in the status and in logs.");

export const folderSchema = z.strictObject({
  folder: z.string().min(1).describe("The folder: one subfolder a class, and `inbox`."),
  stableMs: z.int().nonnegative().default(300).describe("A file counts as complete when it has not grown for so long."),
  keepDone: z.int().positive().default(200).describe("So many inferred files are kept in `done`."),
});

const rawFormat = z.strictObject({
  sampleRateHz: z.int().min(1).max(768_000).describe("Samples a second of each channel."),
  channels: z.int().min(1).max(8).default(1).describe("Channels, whose samples alternate."),
  encoding: z
    .enum(Object.keys(RAW_ENCODINGS) as [keyof typeof RAW_ENCODINGS])
    .default("s16le")
    .describe("As ALSA and ffmpeg call them."),
});

export const commandSchema = z.strictObject({
  kind: z.literal("command"),
  name: nameOr("command"),
  argv: z
    .tuple([z.string().min(1)], z.string())
    .describe(
      "The program and its arguments, one by one: no shell reads them. Whatever runs until it is ended, and writes to stdout.",
    ),
  stream: z
    .enum(["wav", "raw", "jpeg"])
    .describe(
      "What it writes: `wav`; samples without a header, which `raw` describes; or one JPEG behind the other, as MJPEG is.",
    ),
  raw: rawFormat.optional().describe("Needed where `stream` is `raw`."),
  label: z
    .string()
    .min(1)
    .optional()
    .describe("What comes is stored as samples of this class; without it, it is inferred."),
  overlap: z
    .number()
    .min(0)
    .max(0.95)
    .default(WINDOW_POLICY.overlap)
    .describe("Share of a window of sound that the next one hears again."),
  silenceDecibels: z
    .number()
    .min(-200)
    .max(0)
    .default(WINDOW_POLICY.floorDecibels)
    .describe(
      "Windows that are no louder are silence, and skipped: mean power, in decibels against a full-scale square wave.",
    ),
  everyMs: z.int().nonnegative().default(1000).describe("Of pictures, the newest one is looked at so often."),
  maxPictureBytes: z
    .int()
    .min(1024)
    .max(MAX_FILE_BYTES)
    .default(8 * 1024 * 1024)
    .describe("A picture with more bytes is dropped."),
  maxBytesPerSecond: z
    .int()
    .min(1024)
    .default(32 * 1024 * 1024)
    .describe("What the program writes beyond that in a second is read later."),
  again: z
    .enum(["always", "failure"])
    .default("always")
    .describe("Whether it is started again when it ended well; after a failure it always is."),
  retrySeconds: z
    .number()
    .min(0.01)
    .max(60)
    .default(1)
    .describe("Wait before it is started again, doubled with each failure in a row, up to a minute; somewhat random."),
  hangSeconds: z
    .number()
    .nonnegative()
    .default(60)
    .describe(
      "A program from which no sound and no picture has come for so long is ended and started again; 0: never.",
    ),
  graceSeconds: z
    .number()
    .positive()
    .max(30)
    .default(2)
    .describe("Between asking it to end (SIGTERM) and making it end (SIGKILL)."),
});

const topicSchema = z.strictObject({
  topic: z
    .string()
    .min(1)
    .max(1024)
    .refine(
      (topic) => !topic.includes("\0") && /^(?:(?:\+|\{label\}|[^+#{}]*)\/)*(?:#|\+|\{label\}|[^+#{}]+)$/.test(topic),
      "a topic with whole levels +, {label}, or # at the end",
    )
    .refine((topic) => topic.split("{label}").length <= 2, "{label} at most once")
    .describe(
      "A topic, in which `+` stands for any one level and `#` at the end for all that follow. `{label}` stands for one level too: that which names the class, as in `line-3/parts/{label}`.",
    ),
  label: z
    .string()
    .min(1)
    .optional()
    .describe(
      "What comes is stored as samples of this class. Without it and without `{label}` in the topic, it is inferred.",
    ),
});

export const mqttSourceSchema = z.strictObject({
  kind: z.literal("mqtt"),
  name: nameOr("mqtt"),
  ...brokerOrFleetsKeys,
  topics: z.array(topicSchema).min(1).describe("Each message is one file: WAV, JPEG, PNG or WebP."),
  maxBytes: z
    .int()
    .min(1024)
    .max(MAX_FILE_BYTES)
    .default(16 * 1024 * 1024)
    .describe("Bigger messages are refused."),
});

const folderSource = folderSchema.extend({
  kind: z.literal("folder"),
  name: nameOr("folder"),
});

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
