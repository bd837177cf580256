import * as z from "zod";
import type { Settings } from "./method.ts";

/** Settings of a method that has none. */
export const noSettings: z.ZodType<Settings> = z.strictObject({});

export const countSetting = (fallback: number) => z.coerce.number().int().min(1).default(fallback);

export const shareSetting = (fallback: number) => z.coerce.number().gt(0).max(1).default(fallback);

/** Indices of the greatest values, the first of equals. */
export const greatest = (worth: Float32Array, count: number): number[] =>
  [...worth.keys()].sort((a, b) => worth[b]! - worth[a]! || a - b).slice(0, count);

/** A set of indices below a known bound as base64 of one bit each: some bytes in an adapter instead of some hundred numbers. */
export function encodeIndices(indices: readonly number[], count: number): string {
  const bits = Buffer.alloc(Math.ceil(count / 8));
  for (const index of indices) bits[index >> 3]! |= 1 << (index & 7);
  return bits.toString("base64");
}

/** In ascending order. */
export function decodeIndices(text: string, count: number): number[] {
  const bits = Buffer.from(text, "base64");
  return [...Array(count).keys()].filter((index) => (bits[index >> 3] ?? 0) & (1 << (index & 7)));
}
