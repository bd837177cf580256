import type * as z from "zod";
import { LichenError } from "../errors.ts";

/**
 * JSON that somebody wrote, as a schema wants it.
 * @param at the file  @param todo what its owner can do, where that is not what the table of errors says
 * @throws BAD_CARD naming the field and what was wanted
 */
export function parseAs<T>(schema: z.ZodType<T>, text: string, at: string, todo?: string): T {
  const bad = (place: string, wanted: string, cause?: unknown) =>
    new LichenError("BAD_CARD", {
      at: place,
      wanted,
      ...(todo !== undefined && { todo }),
      ...(cause !== undefined && { cause }),
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad(at, "JSON", cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw bad(`${at}: ${issue.path.join(".") || "(top)"}`, issue.message);
}
