import type { OptionRow } from "./options.ts";
import { count } from "./quantities.ts";
import { wrapped } from "./terminal.ts";

/** What goes into a package beside the model, of whatever it is made. */
export const REHEARSAL_OPTIONS: readonly OptionRow[] = [
  ["--rehearsal <folder>", "labelled samples, one folder a class: what adapting must not forget"],
  ["--per-class <n>", "examples of each class in the rehearsal pack (default 8)", count],
];

export const FORCE_OPTION: OptionRow = ["--force", "replace a package that is there already"];

/** What was changed and assumed, point by point; nothing, where there is nothing to say. */
export function toKnow(notes: readonly string[]): string[] {
  const lines = notes.flatMap((note) => wrapped(note, 78).map((line, at) => `${at === 0 ? "- " : "  "}${line}`));
  return lines.length > 0 ? [`to know:\n${lines.join("\n")}`] : [];
}

/** What to do with a package that has been made. */
export const nextStep = (folder: string): string =>
  `next:\n  lichen eval --model ${quoted(folder)} --data <one folder a class>`;

/** As a shell takes it. */
export const quoted = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
