import pino, { type Logger } from "pino";
import type { Config } from "./config/schema.ts";

/** Logs go to stderr: stdout belongs to results. */
export function createLog({ level, format }: Config["log"], device: string): Logger {
  const write = (text: string) => void process.stderr.write(text);
  return pino({ level, base: { device } }, format === "json" ? { write } : { write: (line) => write(readable(line)) });
}

const LEVELS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

/** `12:00:01 warn  message key=value`, from a line of JSON. */
export function readable(line: string): string {
  const { time, level, msg, device: _, err, ...rest } = JSON.parse(line);
  const facts = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const cause = err === undefined ? [] : [err.message];
  return `${[new Date(time).toISOString().slice(11, 19), LEVELS[level]?.padEnd(5), msg, ...facts, ...cause].join(" ")}\n`;
}
