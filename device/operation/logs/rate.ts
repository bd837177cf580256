/** How many lines of one kind may pass: `burst` at once, then `perMinute`. */
export interface Rate {
  readonly burst: number;
  readonly perMinute: number;
}

/** What is known of one kind of line. */
export interface Bucket {
  /** Lines that may pass now. */
  readonly tokens: number;
  readonly atMs: number;
  /** Lines held back since the last that passed. */
  readonly held: number;
}

export interface Admission {
  readonly bucket: Bucket;
  readonly passes: boolean;
  /** Of a line that passes: how many of its kind were held back before it. */
  readonly heldBefore: number;
}

/** A token bucket, pure. @param bucket undefined: the first line of its kind */
export function admit(bucket: Bucket | undefined, nowMs: number, rate: Rate): Admission {
  const tokens = refilled(bucket, nowMs, rate);
  const held = bucket?.held ?? 0;
  if (tokens < 1) return { bucket: { tokens, atMs: nowMs, held: held + 1 }, passes: false, heldBefore: 0 };
  return { bucket: { tokens: tokens - 1, atMs: nowMs, held: 0 }, passes: true, heldBefore: held };
}

/** Whether nothing would be different had the kind never been seen. */
export const isForgettable = (bucket: Bucket, nowMs: number, rate: Rate): boolean =>
  bucket.held === 0 && refilled(bucket, nowMs, rate) >= rate.burst;

function refilled(bucket: Bucket | undefined, nowMs: number, { burst, perMinute }: Rate): number {
  if (bucket === undefined) return burst;
  return Math.min(burst, bucket.tokens + (Math.max(0, nowMs - bucket.atMs) * perMinute) / 60_000);
}
