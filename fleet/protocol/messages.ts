import * as z from "zod";
import { LichenError } from "../../runtime/errors.ts";
import { MAX_BLOB_BYTES, MAX_BLOCK_BYTES, MAX_BLOCKS, MIN_BLOCK_BYTES } from "./blocks.ts";
import { type Channel, isName, NAME_RULE } from "./topics.ts";

/** A message that is longer than this is not read. */
export const MAX_MESSAGE_BYTES = 16_384;

/** At most so many blocks may be asked for at once. */
export const MAX_WINDOW = 64;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "64 hexadecimal digits");
const name = z.string().refine(isName, NAME_RULE);
const text = z.string().min(1).max(200);
const share = z.number().min(0).max(1);
const blockBytes = z.int().min(MIN_BLOCK_BYTES).max(MAX_BLOCK_BYTES);

const base = z.object({ id: text, version: text, sha256 });

const stateSchema = z.object({
  v: z.literal(1),
  status: z.enum(["online", "offline"]),
  base,
  /** sha256 of the adapter that serves; null is the bare base. */
  adapter: sha256.nullable(),
  /** Version of the daemon. */
  software: text,
});

export const manifestSchema = z
  .object({
    v: z.literal(1),
    publisher: name,
    /** Grows by one with each adapter that this publisher offers; a lower one is stale. */
    version: z.int().positive(),
    sha256,
    bytes: z.int().positive().max(MAX_BLOB_BYTES),
    blockBytes,
    base,
    method: text,
    /** Accuracy on the publisher's own held-out samples; null where it was not measured. */
    accuracy: z.object({ before: share, after: share }).nullable(),
    /** How many labelled samples it was trained on. */
    samples: z.int().nonnegative(),
    /** sha256 of the adapters that this one was grown from. */
    parents: z.array(sha256).max(64),
  })
  .refine((m) => Math.ceil(m.bytes / m.blockBytes) <= MAX_BLOCKS, {
    path: ["blockBytes"],
    error: `at most ${MAX_BLOCKS} blocks`,
  });

const resultSchema = z.object({
  v: z.literal(1),
  /** Grows by one with each result since the daemon's start: a gap is a lost result. */
  sequence: z.int().nonnegative(),
  label: text,
  confidence: share,
  adapter: sha256.nullable(),
  /** What was inferred, such as a file's name. */
  input: z.string().max(256).optional(),
});

const requestSchema = z.object({
  v: z.literal(1),
  id: z.string().regex(/^[a-z0-9-]{1,64}$/, "lower-case letters, digits and '-', at most 64"),
  /** Who asks: the blocks go there. */
  from: name,
  sha256,
  /** The asker chooses, so that blocks of several devices fit together. */
  blockBytes,
  blocks: z.array(z.int().nonnegative().max(MAX_BLOCKS)).min(1).max(MAX_WINDOW),
});

const answerSchema = z.object({
  v: z.literal(1),
  /** The request's. */
  id: z.string().min(1).max(64),
  from: name,
  sha256,
  /** A code that is not known here is no error, only no help. */
  code: z.string().min(1).max(64),
});

export type Base = z.infer<typeof base>;
export type DeviceState = z.infer<typeof stateSchema>;
export type Manifest = z.infer<typeof manifestSchema>;
export type Result = z.infer<typeof resultSchema>;
export type BlockRequest = z.infer<typeof requestSchema>;
export type BlockAnswer = z.infer<typeof answerSchema>;

/** The protocol: what travels on each channel. Blocks are bare bytes, named by their topic. */
export interface Api extends Record<Exclude<Channel, "blocks">, unknown> {
  state: DeviceState;
  adapter: Manifest;
  results: Result;
  requests: BlockRequest;
  answers: BlockAnswer;
}

/** Unknown fields are dropped, not refused: an older device must understand a newer one's messages. */
const SCHEMAS: { readonly [C in keyof Api]: z.ZodType<Api[C]> } = {
  state: stateSchema,
  adapter: manifestSchema,
  results: resultSchema,
  requests: requestSchema,
  answers: answerSchema,
};

/** @throws BAD_MESSAGE when a value breaks its own schema, so that a mistake shows at the sender. */
export function encode<C extends keyof Api>(channel: C, value: Api[C]): Uint8Array {
  const bytes = new TextEncoder().encode(JSON.stringify(check(channel, value, channel)));
  if (bytes.length > MAX_MESSAGE_BYTES) throw tooLong(channel, bytes.length);
  return bytes;
}

/** @param at the topic, for the message.  @throws BAD_MESSAGE naming the topic, the field, what was found and wanted. */
export function decode<C extends keyof Api>(channel: C, payload: Uint8Array, at: string): Api[C] {
  if (payload.length > MAX_MESSAGE_BYTES) throw tooLong(at, payload.length);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch (cause) {
    throw new LichenError("BAD_MESSAGE", { at, found: `${payload.length} bytes`, wanted: "JSON", cause });
  }
  return check(channel, value, at);
}

function check<C extends keyof Api>(channel: C, value: unknown, at: string): Api[C] {
  const parsed = SCHEMAS[channel].safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new LichenError("BAD_MESSAGE", {
    at: `${at}: ${issue.path.join(".") || "(top)"}`,
    found: shown(valueAt(value, issue.path)),
    wanted: issue.message,
  });
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (inner, key) =>
      typeof inner === "object" && inner !== null ? Object.getOwnPropertyDescriptor(inner, key)?.value : undefined,
    value,
  );

const shown = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 80);

const tooLong = (at: string, found: number) =>
  new LichenError("BAD_MESSAGE", { at, found: `${found} bytes`, wanted: `at most ${MAX_MESSAGE_BYTES} bytes` });
