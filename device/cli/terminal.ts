import type { Writable } from "node:stream";

/** What a command writes to: results to `out`, everything else to `notes`. */
export interface Terminal {
  readonly out: Writable;
  readonly notes: Writable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The answer, for a script or for a person. */
export function show(terminal: Terminal, json: boolean, value: unknown, readable: string): void {
  terminal.out.write(json ? `${JSON.stringify(value)}\n` : `${readable}\n`);
}

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

const cut = (line: string, width: number): string => (line.length <= width ? line : `${line.slice(0, width - 1)}…`);

export const short = (sha256: string | null): string => (sha256 === null ? "base" : sha256.slice(0, 12));

export const percent = (share: number | undefined | null): string =>
  share === undefined || share === null ? "–" : `${(share * 100).toFixed(1)} %`;

export const bytes = (count: number): string =>
  count < 10_000
    ? `${count} B`
    : count < 1_000_000
      ? `${(count / 1000).toFixed(1)} kB`
      : `${(count / 1e6).toFixed(1)} MB`;

/** `12345678` → `12 345 678`, with spaces that do not break. */
export const grouped = (value: number): string => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u00a0");
