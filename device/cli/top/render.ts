import type { BoardAnswer, LogsAnswer, Status, WhyAnswer } from "../../api/schemas.ts";
import { syncLine } from "../sync-status.ts";
import { bytes, duration, harmless, percent, short } from "../terminal.ts";
import { clipped, padded, type Screen, type Size } from "./screen.ts";

/** All that `lichen top` shows. */
export interface View {
  readonly status: Status;
  readonly why: WhyAnswer;
  readonly board: BoardAnswer;
  readonly logs: LogsAnswer;
  /** The daemon has not answered since; null: it has. */
  readonly silentSeconds: number | null;
}

/**
 * One calm screen, in ASCII but for names: a serial line knows no better. The board's state comes first and whole; what follows shares the
 * rows that are left.
 */
export function render(view: View, size: Size): Screen {
  const { columns, rows } = size;
  const first = [...head(view, columns), ...state(view)];
  const lines = [...first, ...shared([classes(view, columns), reasons(view), records(view)], rows - first.length)];
  return { size, lines: lines.slice(0, rows).map((line) => clipped(oneLine(line), columns).trimEnd()) };
}

/** Each section gets a line to stand off, its heading and one line, as long as there is room; what is left goes to the first that need it. */
function shared(sections: readonly (readonly string[])[], rows: number): string[] {
  const lines: string[] = [];
  const filled = sections.filter((section) => section.length > 0);
  for (const [at, section] of filled.entries()) {
    const room = rows - lines.length - LEAST * (filled.length - 1 - at);
    const mine = Math.min(Math.max(room, LEAST), section.length + 1, rows - lines.length);
    if (mine >= 2) lines.push("", ...section.slice(0, mine - 1));
  }
  return lines;
}

const LEAST = 3;

const oneLine = (text: string): string =>
  harmless(text).replaceAll("\n", " ").replaceAll("→", "->").replaceAll("°C", "C").replaceAll("…", "~");

function head({ status, silentSeconds }: View, columns: number): string[] {
  const { device, version, uptimeSeconds, model, models } = status;
  const left = `${device}  lichend ${version}  up ${coarse(uptimeSeconds)}`;
  const right = `${model.id} ${model.version}${models.length > 1 ? ` (1 of ${models.length})` : ""}`;
  const isWide = left.length + right.length + 2 <= columns;
  const title = isWide ? left + right.padStart(columns - left.length) : left;
  if (silentSeconds === null) return [title];
  return [title, `NO ANSWER from the daemon for ${duration(silentSeconds)}; what follows is older`];
}

/** Whatever changes all the time costs bytes all the time. */
const coarse = (seconds: number): string => (seconds < 60 ? "under 1 min" : duration(seconds));

function state(view: View): string[] {
  const { status, why, board } = view;
  const { latency, queue } = status.inference;
  const ms = (value: number | null) => (value === null ? "-" : value.toFixed(1)).padStart(6);
  const size = (value: number | null) => (value === null ? "-" : bytes(value));
  return named([
    ["adapter", adapterLine(view)],
    [
      "inference",
      `${latency.perSecond.toFixed(1).padStart(5)}/s  p50${ms(latency.p50Ms)} p95${ms(latency.p95Ms)} p99${ms(latency.p99Ms)} ms  ` +
        `${queue.waiting} waiting, ${queue.dropped} dropped`,
    ],
    ["round", roundLine(status, why)],
    [
      "last",
      why.last === null ? "none so far" : `round ${why.last.id} ${why.last.outcome}: ${why.last.code}${gain(status)}`,
    ],
    [
      "board",
      `${board.temperatureCelsius === null ? "no thermometer" : `${board.temperatureCelsius.toFixed(0)} C`}${alarm(board)}   ` +
        `load ${board.load === null ? "-" : board.load.toFixed(1)} on ${board.cores}   ` +
        `free ${size(board.availableBytes)}   lichend ${size(board.process.residentBytes)}`,
    ],
    ["disk", `${size(board.disk.freeBytes)} free${board.disk.writable ? "" : ", NOT WRITABLE"}   ${wear(board)}`],
    ["sync", syncLine(status.sync)],
    ...(status.problems.length > 0 ? [["problem", status.problems.at(-1)!.message] as const] : []),
  ]);
}

function adapterLine({ status: { adapter }, why: { pinned } }: View): string {
  const before = adapter.serving === null ? "" : `, before it ${short(adapter.previous)}`;
  return `${short(adapter.serving)}, version ${adapter.version}${before}${pinned === null ? "" : ", pinned by hand"}`;
}

function roundLine({ round }: Status, why: WhyAnswer): string {
  const [first] = why.reasons;
  if (why.state === "paused") return `paused: ${first?.code ?? round.state}`;
  if (why.state !== "runs") return first === undefined ? "starts" : `waits: ${first.code}`;
  if (round.progress === null) return why.phase;
  const { phase, done, total, loss, accuracy } = round.progress;
  const facts = [
    loss === undefined ? "" : `loss ${loss.toFixed(3)}`,
    accuracy === undefined ? "" : `right ${percent(accuracy)}`,
  ];
  return `${why.phase}: ${phase.padEnd(7)} ${bar(done / Math.max(1, total), 20)} ${done}/${total} ${facts.join(" ")}`;
}

const bar = (share: number, width: number): string => {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `[${"#".repeat(full)}${".".repeat(width - full)}]`;
};

function gain({ round: { last } }: Status): string {
  const [before, after] = [last?.metrics?.before.heldOut, last?.metrics?.after.heldOut];
  return before && after ? `   held out ${percent(before.accuracy)} -> ${percent(after.accuracy)}` : "";
}

const alarm = ({ throttling }: BoardAnswer): string =>
  `${throttling?.underVoltage ? ", TOO LITTLE VOLTAGE" : ""}${throttling?.slowed ? ", SLOWED DOWN" : ""}`;

function wear({ process: { writtenBytes, uptimeSeconds } }: BoardAnswer): string {
  if (writtenBytes === null) return "";
  // Of the first minutes an hour says nothing.
  if (uptimeSeconds < 600) return `${bytes(writtenBytes)} written since the start`;
  return `${bytes(Math.round((writtenBytes / uptimeSeconds) * 3600))} written an hour`;
}

const named = (rows: readonly (readonly [string, string])[]): string[] =>
  rows.map(([name, text]) => `${name.padEnd(10)} ${text}`);

/** Samples per class, in columns, with a bar for each. */
function classes({ status: { samples } }: View, columns: number): string[] {
  const counts = Object.entries(samples.perClass);
  const title = `samples    ${samples.total}, ${samples.new} of them new, ${bytes(samples.bytes)}`;
  const across = Math.max(1, Math.floor(columns / 26));
  const cell = Math.floor(columns / across);
  const most = Math.max(1, ...counts.map(([, count]) => count));
  const cells = counts.map(([label, count]) => {
    const width = Math.max(0, cell - 18);
    const full = count === 0 ? "" : "#".repeat(Math.max(1, Math.round((count / most) * width)));
    return padded(`${padded(oneLine(label), 10)}${String(count).padStart(5)} ${full}`, cell);
  });
  const down = Math.min(MOST_CLASS_LINES, Math.ceil(cells.length / across));
  const shown = Array.from({ length: down }, (_, row) => cells.slice(row * across, (row + 1) * across).join(""));
  const hidden = cells.length - down * across;
  return [hidden > 0 ? `${title}; ${hidden} more classes` : title, ...shown];
}

const MOST_CLASS_LINES = 5;

function reasons({ why }: View): string[] {
  if (why.reasons.length === 0 || why.state === "runs") return [];
  const rows = why.reasons.map(({ code, found, wanted }) => `  ${code.padEnd(20)} found ${found}; wanted ${wanted}`);
  return ["why        (lichen why has what to do)", ...rows.slice(0, MOST_REASONS)];
}

const MOST_REASONS = 4;

const records = ({ logs }: View): string[] =>
  logs.records.length === 0
    ? []
    : [
        "log",
        ...logs.records
          .slice(-MOST_RECORDS)
          .map(({ time, level, message }) => `  ${time.slice(11, 19)} ${level.padEnd(5)} ${message}`),
      ];

const MOST_RECORDS = 3;
