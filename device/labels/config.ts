import { z } from "zod";

/** An MQTT topic filter; `+` and `#` stand for whole levels (MQTT 5.0, 4.7). */
const filter = z
  .string()
  .min(1)
  .max(1000)
  .refine(
    (text) =>
      text.split("/").every((level, at, levels) => !/[+#]/.test(level) || level === "+" || isLast(level, at, levels)),
    "a topic filter: + for one level, # for all that follow",
  );

const isLast = (level: string, at: number, levels: readonly string[]) => level === "#" && at === levels.length - 1;

const pattern = z.string().refine((text) => {
  try {
    new RegExp(text, "u");
    return true;
  } catch {
    return false;
  }
}, "a regular expression");

const share = z.number().min(0).max(1);

export const ruleConfig = z.strictObject({
  /** Where the second sensor speaks. */
  topic: filter,
  /** For payloads that are JSON: the place of the value that is looked at, `state` or `sensor.contact`. */
  field: z.string().min(1).optional(),
  /** What the payload, or its field, has to match; anchor it with ^ and $ where the whole is meant. */
  payload: pattern,
  /** The class that it stands for. */
  label: z.string().min(1),
  /** Samples that came so long before the message get the label. */
  seconds: z.number().positive().max(3600),
});

export type Rule = z.output<typeof ruleConfig>;

export const confidenceConfig = z.strictObject({
  /** A sample is labelled by the model itself where its first class has at least this probability … */
  min: share.default(0.95),
  /** … and its second one is at least so far behind. */
  margin: share.default(0.5),
});

export type ConfidencePolicy = z.output<typeof confidenceConfig>;

export const labelsConfig = z
  .strictObject({
    /** Labels by message: JSON as `POST /v1/labels` takes it, or the bare name of a class for the last sample. */
    mqtt: z
      .strictObject({
        /** Address of the broker, `mqtt://host:1883` or `mqtts://…`. */
        broker: z.url({ protocol: /^(mqtts?|wss?)$/, error: "an address such as mqtt://host:1883" }),
        username: z.string().min(1).optional(),
        password: z.string().optional(),
        /** Where labels are spoken; without it `lichen/labels/DEVICE/MODEL`. */
        topic: filter.optional(),
      })
      .optional(),
    /** A second sensor labels what came just before it spoke; heard over `labels.mqtt`. */
    rules: z.array(ruleConfig).max(100).default([]),
    /** The model labels what it is sure of; without it, never. Such samples are trained on and never judge. */
    confidence: confidenceConfig.optional(),
  })
  .refine(({ rules, mqtt }) => rules.length === 0 || mqtt !== undefined, {
    path: ["mqtt"],
    error: "a broker, where there are rules",
  });

export type LabelsConfig = z.output<typeof labelsConfig>;

/** Where labels for a model of a board are spoken, unless the configuration says otherwise. */
export const labelTopic = (device: string, model: string): string => `lichen/labels/${device}/${model}`;
