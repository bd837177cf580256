import { admit, type Bucket, isForgettable, type Rate } from "./rate.ts";
import type { LogRecord } from "./record.ts";

export interface Limiter {
  /** What is to be written for a record: itself, behind how many of its kind were held back; or nothing. */
  pass(record: LogRecord, nowMs: number): readonly LogRecord[];
  /** What was held back of kinds that have fallen silent; to be called now and then. */
  sweep(nowMs: number): readonly LogRecord[];
}

/** Holds back what says the same thing over and over, kind by kind, and says how often that was. */
export function createLimiter(rate: Rate): Limiter {
  const kinds = new Map<string, { bucket: Bucket; last: LogRecord }>();

  return {
    pass(record, nowMs) {
      const kind = kindOf(record);
      const { bucket, passes, heldBefore } = admit(kinds.get(kind)?.bucket, nowMs, rate);
      kinds.delete(kind);
      kinds.set(kind, { bucket, last: record });
      const forgotten = kinds.size > MAX_KINDS ? forgetOldest() : [];
      if (!passes) return forgotten;
      return [...forgotten, ...(heldBefore > 0 ? [summary(record, heldBefore)] : []), record];
    },
    sweep(nowMs) {
      const told: LogRecord[] = [];
      for (const [kind, { bucket, last }] of kinds) {
        const { passes } = admit(bucket, nowMs, rate);
        if (bucket.held > 0 && passes) {
          told.push(summary(last, bucket.held));
          kinds.set(kind, { bucket: { ...bucket, held: 0 }, last });
        } else if (isForgettable(bucket, nowMs, rate)) {
          kinds.delete(kind);
        }
      }
      return told;
    },
  };

  function forgetOldest(): LogRecord[] {
    const [kind, oldest] = kinds.entries().next().value!;
    kinds.delete(kind);
    return oldest.bucket.held > 0 ? [summary(oldest.last, oldest.bucket.held)] : [];
  }
}

/** Kinds that are told apart at one time; names of files in messages could make them without end. */
const MAX_KINDS = 512;

/** Level, code, and the message without what differs from line to line: numbers, hashes, what is quoted, paths. */
export const kindOf = ({ level, code, msg }: LogRecord): string =>
  `${level} ${code ?? ""} ${msg
    .replaceAll(/"[^"]*"|«[^»]*»|\S*\/\S+/g, "…")
    .replaceAll(/[0-9a-f]{8,}|\d+/gi, "#")
    .slice(0, 120)}`;

const summary = ({ level, time, msg }: LogRecord, held: number): LogRecord => ({
  level,
  time,
  held,
  msg: `${held} more like this were held back: ${msg}`,
});
