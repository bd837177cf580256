import { arrivedWithin, type StoredSample } from "../samples/sample.ts";
import { topicMatches } from "../sync/topic-filter.ts";
import type { Rule } from "./config.ts";

/** What was heard over MQTT. */
export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** The broker kept it from before this connection: it says nothing about now. */
  readonly retained: boolean;
}

export type HeardSample = Pick<StoredSample, "sha256" | "arrivedMs">;

/** A second sensor says a word, not a book; nothing longer is matched against patterns. */
const MAX_TEXT = 4096;

/**
 * The samples that a message labels by a rule: those of the last seconds. Samples of before the daemon's start are none of them.
 * @param nowMs by the clock that never runs backwards, as the samples' arrival
 */
export function labelsFor<S extends HeardSample>(
  rule: Rule,
  message: Message,
  samples: readonly S[],
  nowMs: number,
): readonly S[] {
  if (message.retained || !topicMatches(rule.topic, message.topic)) return [];
  const text = textIn(message.payload, rule.field);
  if (text === undefined || text.length > MAX_TEXT || !new RegExp(rule.payload, "u").test(text)) return [];
  return arrivedWithin(samples, rule.seconds, nowMs);
}

/** @returns undefined for what is no text, or has no such field */
function textIn(payload: Uint8Array, field: string | undefined): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(payload);
    if (field === undefined) return text;
    let value: unknown = JSON.parse(text);
    for (const name of field.split(".")) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
      value = (value as Record<string, unknown>)[name];
    }
    return typeof value === "object" ? undefined : String(value);
  } catch {
    return undefined;
  }
}
