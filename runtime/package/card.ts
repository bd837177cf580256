import * as z from "zod";
import { parseAs } from "./parse.ts";
import { type Preprocessing, preprocessingSchema } from "./preprocessing.ts";

export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, "64 hexadecimal digits");

const cardSchema = z.strictObject({
  format: z.literal(1),
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, "lower-case letters, digits, '.', '_' and '-'"),
  version: z.string().min(1),
  description: z.string(),
  licence: z.string(),
  /** Of `model.onnx`. */
  sha256: sha256Schema,
  preprocessing: preprocessingSchema,
  labels: z.array(z.string().min(1)).min(2),
  data: z.array(z.strictObject({ name: z.string(), licence: z.string(), part: z.string() })).default([]),
  metrics: z.array(z.strictObject({ name: z.string(), value: z.number(), on: z.string() })).default([]),
  /** Of `rehearsal.safetensors`, where the package has one. */
  rehearsal: z.strictObject({ sha256: sha256Schema }).optional(),
});

/** What a model package says of itself: `card.json`. */
export type Card = Omit<z.infer<typeof cardSchema>, "preprocessing"> & { preprocessing: Preprocessing };
export { type Preprocessing, preprocessingSchema };

/** @throws BAD_CARD naming the field, what was found and what was wanted. */
export const parseCard = (text: string, at: string): Card => parseAs(cardSchema, text, at);
