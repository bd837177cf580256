import * as z from "zod";
import { brokerKeys } from "../config/broker.ts";

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
  topic: filter.describe("Where the second sensor speaks."),
  field: z
    .string()
    .min(1)
    .optional()
    .describe("For payloads that are JSON: the place of the value that is looked at, `state` or `sensor.contact`."),
  payload: pattern.describe(
    "What the payload, or its field, has to match; anchor it with ^ and $ where the whole is meant.",
  ),
  label: z.string().min(1).describe("The class that it stands for."),
  seconds: z.number().positive().max(3600).describe("Samples that came so long before the message get the label."),
});

export type Rule = z.output<typeof ruleConfig>;

export const confidenceConfig = z.strictObject({
  min: share
    .default(0.95)
    .describe("A sample is labelled by the model itself where its first class has at least this probability …"),
  margin: share.default(0.5).describe("… and its second one is at least so far behind."),
});

export type ConfidencePolicy = z.output<typeof confidenceConfig>;

export const labelsConfig = z
  .strictObject({
    mqtt: z
      .strictObject({
        ...brokerKeys,
        topic: filter.optional().describe("Where labels are spoken; without it `lichen/labels/DEVICE/MODEL`."),
      })
      .optional()
      .describe(
        "Labels by message: JSON as `POST /v1/labels` takes it, or the bare name of a class for the last sample.",
      ),
    rules: z
      .array(ruleConfig)
      .max(100)
      .default([])
      .describe("A second sensor labels what came just before it spoke; heard over `labels.mqtt`."),
    confidence: confidenceConfig
      .optional()
      .describe("The model labels what it is sure of; without it, never. Such samples are trained on and never judge."),
  })
  .refine(({ rules, mqtt }) => rules.length === 0 || mqtt !== undefined, {
    path: ["mqtt"],
    error: "a broker, where there are rules",
  });

export type LabelsConfig = z.output<typeof labelsConfig>;

/** Where labels for a model of a board are spoken, unless the configuration says otherwise. */
export const labelTopic = (device: string, model: string): string => `lichen/labels/${device}/${model}`;
