import type { Writable } from "node:stream";

/** What a command writes to: results to `out`, everything else to `notes`. */
export interface Terminal {
  readonly out: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
  readonly notes: Writable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The answer, for a script or for a person. */
export function show(terminal: Terminal, json: boolean, value: unknown, readable: string): void {
  terminal.out.write(json ? `${JSON.stringify(value)}\n` : `${harmless(readable)}\n`);
}

/** What a name or a message of elsewhere says, without what would steer the terminal. */
export const harmless = (text: string): string => text.replaceAll(/(?!\n)\p{Cc}/gu, "\ufffd");

/** Rows in columns, numbers to the right, the last column cut so that a line fits in `width`. */
export function table(header: readonly string[], rows: readonly (readonly (string | number)[])[], width = 80): string {
  const cells = [header, ...rows].map((row) => row.map(String));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const isNumeric = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => NUMERIC.test(String(row[column]))),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (isNumeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join("  ")
      .trimEnd();
  return cells.map((row) => cut(line(row), width)).join("\n");
}

const NUMERIC = /^\d+(\.\d+)?( %)?$/;

/** Lines of `name  value`; a long value goes on below itself. */
export const facts = (pairs: readonly (readonly [name: string, value: string | number])[]): string => {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs
    .flatMap(([name, value]) =>
      wrapped(String(value), 80 - width - 2).map((line, at) => `${(at === 0 ? name : "").padEnd(width)}  ${line}`),
    )
    .join("\n");
};

/** Words in lines of at most `width`; at least one line, and a word that is longer by itself is cut. */
export function wrapped(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = cut(word, width);
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(cut(word, width));
  }
  return lines;
}

/** As `wrapped`, but nothing is lost: a word that is longer than a line goes on in the next. */
export function folded(text: string, width: number): string[] {
  const words = text.split(/\s+/).flatMap((word) => word.match(new RegExp(`.{1,${width}}`, "gsu")) ?? []);
  return wrapped(words.join(" "), width);
}

/** A heading, and below it lines of at most 80 characters, moved in. */
export const block = (heading: string, texts: readonly string[], indent = "   "): string =>
  [
    ...folded(heading, 80),
    ...texts.flatMap((text) => folded(text, 80 - indent.length).map((line) => indent + line)),
  ].join("\n");

/** `12 s`, `5 min`, `3 h 20 min`, `4 d 2 h`. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? two(hours, "h", minutes % 60, "min") : two(Math.floor(hours / 24), "d", hours % 24, "h");
}

const two = (much: number, unit: string, little: number, smaller: string): string =>
  little === 0 ? `${much} ${unit}` : `${much} ${unit} ${little} ${smaller}`;

/** `11-24 13:40:05`, of what an ISO time says; in UTC, as everything the board writes. */
export const moment = (iso: string): string => iso.slice(5, 19).replace("T", " ");

const TONES = { good: 32, warning: 33, bad: 31, quiet: 2, strong: 1 } as const;
export type Tone = keyof typeof TONES;

/** Whether a terminal takes colours, and wants them. @see https://no-color.org */
const isColourful = ({ out, env }: Terminal): boolean =>
  out.isTTY === true && env.TERM !== "dumb" && (env.NO_COLOR ?? "") === "";

/** For what is written past `show`, which lets no escape through. */
export const painted = (terminal: Terminal, tone: Tone, text: string): string =>
  isColourful(terminal) ? `\u001b[${TONES[tone]}m${text}\u001b[0m` : text;

const cut = (line: string, width: number): string => (line.length <= width ? line : `${line.slice(0, width - 1)}…`);

export const short = (sha256: string | null): string => (sha256 === null ? "base" : sha256.slice(0, 12));

export const percent = (share: number | undefined | null): string =>
  share === undefined || share === null ? "–" : `${(share * 100).toFixed(1)} %`;

type Score = { readonly accuracy: number } | null | undefined;
interface Scores {
  readonly heldOut?: Score;
  readonly rehearsal?: Score;
}

/** `55.0 % → 95.0 %`, of what a training was judged by. */
export const gain = (
  metrics: { readonly before: Scores; readonly after: Scores } | null | undefined,
  on: keyof Scores,
): string => `${percent(metrics?.before[on]?.accuracy)} → ${percent(metrics?.after[on]?.accuracy)}`;

export const bytes = (count: number): string =>
  count < 10_000
    ? `${count} B`
    : count < 1_000_000
      ? `${(count / 1000).toFixed(1)} kB`
      : count < 1e9
        ? `${(count / 1e6).toFixed(1)} MB`
        : `${(count / 1e9).toFixed(1)} GB`;

/** `1 problem`, `2 problems`. */
export const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;

/** `12345678` → `12 345 678`, with spaces that do not break. */
export const grouped = (value: number): string => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u00a0");
