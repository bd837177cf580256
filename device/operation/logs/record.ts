/** One line of the log, as pino writes it. */
export interface LogRecord {
  readonly level: number;
  /** By the board's clock, which may be wrong. */
  readonly time: number;
  readonly msg: string;
  readonly code?: string;
  readonly [fact: string]: unknown;
}

export const LEVELS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

/** Of syslog(3), which journald reads at the beginning of a line. @see sd-daemon(3) */
const PRIORITIES: Readonly<Record<number, number>> = { 10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 };

/** @throws SyntaxError: only pino's own lines come here */
export function readRecord(line: string): LogRecord {
  const { device: _, ...record } = JSON.parse(line);
  return { ...record, msg: String(record.msg ?? "") };
}

/** `12:00:01 warn  message key=value` */
export const readable = (record: LogRecord): string =>
  [new Date(record.time).toISOString().slice(11, 19), LEVELS[record.level]?.padEnd(5), wording(record)].join(" ");

export const priority = ({ level }: LogRecord): string => `<${PRIORITIES[level] ?? 6}>`;

/** `<4>message key=value`: journald knows the time and the process itself. One line, or it would be several records. */
export const forJournal = (record: LogRecord): string =>
  `${priority(record)}${wording(record).replaceAll(/\s*[\r\n]+\s*/g, " ⏎ ")}`;

function wording({ level: _, time: __, msg, err, held: ___, ...rest }: LogRecord): string {
  const facts = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const cause = err === undefined ? [] : [String((err as { message?: unknown }).message)];
  return [msg, ...facts, ...cause].join(" ");
}
