import * as z from "zod";
import { preprocessingSchema, sha256Schema } from "../../runtime/package/card.ts";
import { parseAs } from "../../runtime/package/parse.ts";

/** What imports the whole file into memory has a bound on it. */
const MOST_BYTES = 256 * 1024 * 1024;

/** Names that a list of labels has by itself: short ones stand in the card, long ones come with the model's file. */
const labels = z.union([
  z.array(z.string().min(1)).min(2),
  z.strictObject({
    /** `metadata`: packed into the file. `nowhere`: the publisher gives none with it, and classes are numbered. */
    in: z.enum(["metadata", "nowhere"]),
    count: z.int().positive(),
  }),
]);

const catalogueCardSchema = z
  .strictObject({
    format: z.literal(1),
    name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, "lower-case letters, digits, '.' and '-'"),
    title: z.string().min(1),
    /** What it tells apart, in a few words: a column of `lichen models`. */
    task: z.string().min(1),
    file: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*\.(onnx|tflite)$/, "the name of an .onnx or .tflite file, without folders"),
    bytes: z.int().positive().max(MOST_BYTES),
    sha256: sha256Schema,
    /** Who states the sum, where it is not the publisher of the file. */
    sha256From: z.string().min(1),
    /** Where exactly these bytes can be had, the best place first. */
    addresses: z.array(z.url({ protocol: /^https$/, error: "an https address" })),
    /** Why there is no address. */
    noAddress: z.string().min(1).optional(),
    licence: z.string().min(1),
    /** A page about the model, for people. */
    source: z.url({ protocol: /^https$/, error: "an https address" }),
    /** As the file has it, without the batch. */
    input: z.strictObject({
      type: z.enum(["float32", "int8", "uint8"]),
      shape: z.array(z.int().positive()).min(1),
      layout: z.enum(["nchw", "nhwc"]).optional(),
    }),
    preprocessing: preprocessingSchema,
    labels,
    /** As published, not measured here. */
    metrics: z.array(z.strictObject({ name: z.string(), value: z.number(), on: z.string(), source: z.string() })),
    notes: z.array(z.string().min(1)).default([]),
  })
  .refine(({ addresses, noAddress }) => addresses.length > 0 !== (noAddress !== undefined), {
    path: ["addresses"],
    error: "an address, or noAddress with the reason why there is none",
  });

/** What the catalogue says of a model that others made: `models/catalogue/NAME.json`. */
export type CatalogueCard = z.infer<typeof catalogueCardSchema>;

/** @throws BAD_CARD naming the field, what was found and what was wanted. */
export const parseCatalogueCard = (text: string, at: string): CatalogueCard =>
  parseAs(catalogueCardSchema, text, at, "install Lichen again, or correct the card");

/** How many classes, or values, the model answers with. */
export const outputsOf = ({ labels: given }: CatalogueCard): number =>
  Array.isArray(given) ? given.length : given.count;
