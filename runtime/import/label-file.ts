import { LichenError } from "../errors.ts";

/**
 * Labels as they are kept in files: one a line, perhaps with its number before it, or a JSON array.
 * @throws BAD_ARGUMENT for a file without labels, or with a line that is empty
 */
export function parseLabels(text: string, at: string): string[] {
  const content = text.replace(/^\uFEFF/, "").trim();
  const labels = content.startsWith("[") ? fromJson(content, at) : withoutNumbers(content.split(/\r\n|\n|\r/));
  const trimmed = labels.map((label) => label.trim());
  const empty = trimmed.indexOf("");
  if (empty < 0) return trimmed;
  const found = trimmed.length === 1 ? "no labels" : `nothing as label ${empty + 1}`;
  throw new LichenError("BAD_ARGUMENT", { at, found, wanted: "one label a line, or a JSON array of them" });
}

function fromJson(text: string, at: string): string[] {
  const wanted = "a JSON array of labels, or one label a line";
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LichenError("BAD_ARGUMENT", { at, found: "no JSON", wanted, cause });
  }
  if (Array.isArray(value) && value.length > 0 && value.every((label) => typeof label === "string")) return value;
  throw new LichenError("BAD_ARGUMENT", { at, found: "something else in the JSON", wanted });
}

/** `0 cat`, `1: dog`: as Teachable Machine and others write them; only where every line has its own number. */
function withoutNumbers(lines: readonly string[]): string[] {
  const parts = lines.map((line) => /^\s*(\d+)(?:\s*[:,]\s*|\s+)(\S.*)$/.exec(line));
  const isNumbered = parts.every((found, at) => found && Number(found[1]) === at);
  return isNumbered ? parts.map((found) => found![2]!) : [...lines];
}
