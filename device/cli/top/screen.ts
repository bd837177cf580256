import stringWidth from "string-width";

/*
 * A screen is lines of text. Over a slow line only what has changed is sent: within a line the runs of cells that differ, each behind
 * the address of its first cell (ECMA-48, CUP), and two runs as one where what lies between them is shorter than an address.
 */

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Screen {
  readonly size: Size;
  /** As many as there are rows, or fewer; none wider than the screen. */
  readonly lines: readonly string[];
}

const ESC = "\u001b[";

/** The other buffer of the terminal, where there is one, so that what was there before comes back; no cursor. */
export const ENTER = `${ESC}?1049h${ESC}?25l`;
export const LEAVE = `${ESC}?25h${ESC}?1049l`;

/** @returns what turns one screen into the other. @param before null: nothing is known of what is there */
export function diff(before: Screen | null, after: Screen): string {
  const isKnown = before !== null && isSameSize(before.size, after.size);
  const old = isKnown ? before.lines : [];
  const rows = Math.max(old.length, after.lines.length);
  let sent = isKnown ? "" : `${ESC}0m${ESC}2J`;
  for (let row = 0; row < rows; row++) sent += changedCells(old[row] ?? "", after.lines[row] ?? "", row + 1);
  return sent;
}

const isSameSize = (a: Size, b: Size): boolean => a.columns === b.columns && a.rows === b.rows;

function changedCells(old: string, line: string, row: number): string {
  if (old === line) return "";
  // Where not every character fills one cell, only the start of the line has an address that is sure.
  if (!isPlain(old) || !isPlain(line)) return `${address(row, 1)}${line}${ESC}K`;
  const cells = line.padEnd(old.length);
  const runs = runsOf(old.padEnd(cells.length), cells);
  const sent = runs.map(({ from, to }) => {
    const text = cells.slice(from, to);
    const isTail = to === cells.length && text.trimEnd().length + ERASE.length < text.length;
    return address(row, from + 1) + (isTail ? text.trimEnd() + ERASE : text);
  });
  return sent.join("");
}

const ERASE = `${ESC}K`;

const address = (row: number, column: number): string => (column === 1 ? `${ESC}${row}H` : `${ESC}${row};${column}H`);

function runsOf(old: string, line: string): { from: number; to: number }[] {
  const runs: { from: number; to: number }[] = [];
  for (let at = 0; at < line.length; at++) {
    if (old[at] === line[at]) continue;
    const last = runs.at(-1);
    if (last !== undefined && at - last.to < GAP) last.to = at + 1;
    else runs.push({ from: at, to: at + 1 });
  }
  return runs;
}

/** An address such as `ESC[12;40H` is eight bytes. */
const GAP = 8;

const isPlain = (line: string): boolean => /^[ -~]*$/.test(line);

/** The beginning of a text that fits into so many cells. */
export function clipped(text: string, columns: number): string {
  if (isPlain(text)) return text.slice(0, columns);
  let kept = "";
  let width = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    width += stringWidth(segment);
    if (width > columns) break;
    kept += segment;
  }
  return kept;
}

export const padded = (text: string, columns: number): string => {
  const fits = clipped(text, columns);
  return fits + " ".repeat(Math.max(0, columns - stringWidth(fits)));
};
