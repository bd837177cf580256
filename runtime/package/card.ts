import { z } from "zod";
import { LichenError } from "../errors.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "64 hexadecimal digits");

/** How a sound becomes features. Every number is part of the model's identity. */
const logMel = z
  .strictObject({
    kind: z.literal("log-mel"),
    sampleRateHz: z.int().positive(),
    /** Length of the window the model hears; shorter sounds are centred in silence, longer ones cut to their loudest part. */
    windowSamples: z.int().positive(),
    /** Frame length of the short-time spectrum, a power of two; Hann window. */
    frameSamples: z.int().positive(),
    hopSamples: z.int().positive(),
    mels: z.int().positive(),
    lowHz: z.number().nonnegative(),
    highHz: z.number().positive(),
    /** Added to the power before the logarithm. */
    powerFloor: z.number().positive(),
    /** features = (ln(power + floor) − mean) / std */
    mean: z.number(),
    std: z.number().positive(),
  })
  .refine((p) => Number.isInteger(Math.log2(p.frameSamples)) && p.frameSamples > 1, {
    path: ["frameSamples"],
    error: "a power of two",
  })
  .refine((p) => p.frameSamples <= p.windowSamples, { path: ["frameSamples"], error: "at most windowSamples" })
  .refine((p) => p.lowHz < p.highHz && p.highHz <= p.sampleRateHz / 2, {
    path: ["highHz"],
    error: "between lowHz and half the sample rate",
  });

/** How a picture becomes features: resized to cover, centre-cropped, channels first. */
const image = z
  .strictObject({
    kind: z.literal("image"),
    width: z.int().positive(),
    height: z.int().positive(),
    channels: z.union([z.literal(1), z.literal(3)]),
    /** features = (pixel 0–255 − mean) / std, per channel */
    mean: z.array(z.number()),
    std: z.array(z.number().positive()),
  })
  .refine((p) => p.mean.length === p.channels, { path: ["mean"], error: "one number per channel" })
  .refine((p) => p.std.length === p.channels, { path: ["std"], error: "one number per channel" });

export const preprocessingSchema = z.discriminatedUnion("kind", [logMel, image]);

const cardSchema = z.strictObject({
  format: z.literal(1),
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, "lower-case letters, digits, '.', '_' and '-'"),
  version: z.string().min(1),
  description: z.string(),
  licence: z.string(),
  /** Of `model.onnx`. */
  sha256,
  preprocessing: preprocessingSchema,
  labels: z.array(z.string().min(1)).min(2),
  data: z.array(z.strictObject({ name: z.string(), licence: z.string(), part: z.string() })).default([]),
  metrics: z.array(z.strictObject({ name: z.string(), value: z.number(), on: z.string() })).default([]),
  /** Of `rehearsal.safetensors`, where the package has one. */
  rehearsal: z.strictObject({ sha256 }).optional(),
});

/** What a model package says of itself: `card.json`. */
export type Card = z.infer<typeof cardSchema>;
export type Preprocessing = Card["preprocessing"];

/** @throws BAD_CARD naming the field, what was found and what was wanted. */
export function parseCard(text: string, at: string): Card {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LichenError("BAD_CARD", { at, wanted: "JSON", cause });
  }
  const parsed = cardSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new LichenError("BAD_CARD", { at: `${at}: ${issue.path.join(".") || "(top)"}`, wanted: issue.message });
  }
  return parsed.data;
}
