import { fstatSync } from "node:fs";
import pino, { type Logger } from "pino";
import type { Clock } from "./clock.ts";
import type { LogConfig } from "./operation/config.ts";
import { createLimiter } from "./operation/logs/limiter.ts";
import { forJournal, type LogRecord, priority, readable, readRecord } from "./operation/logs/record.ts";
import { createLogRing, type LogRing } from "./operation/logs/ring.ts";

export interface Log {
  readonly logger: Logger;
  /** What was logged last, also what was held back from the log itself. */
  readonly ring: LogRing;
  /** From now on, for children of the logger too. */
  setLevel(level: LogConfig["level"]): void;
  /** Tells what was held back, and holds nothing back any more. */
  stop(): void;
}

export interface LogPorts {
  readonly device: string;
  readonly clock: Clock;
  /** Takes whole lines. */
  readonly write: (line: string) => void;
  /** Whether a journal reads them, which knows the time and takes a priority. */
  readonly isJournal: boolean;
}

/** Every record goes into the ring; into the log what its kind's rate lets through. */
export function createLog({ level, format, burst, perMinute, keep }: LogConfig, ports: LogPorts): Log {
  const { device, clock, isJournal } = ports;
  const ring = createLogRing(keep);
  const limiter = createLimiter({ burst, perMinute });
  const loggers = new Set<Logger>();
  let callOff = () => {};

  const line = (record: LogRecord): string => {
    if (format === "json") return `${isJournal ? priority(record) : ""}${JSON.stringify({ ...record, device })}`;
    return isJournal ? forJournal(record) : readable(record);
  };
  const write = (records: readonly LogRecord[]) => {
    for (const record of records) ports.write(`${line(record)}\n`);
  };

  function sweep(): void {
    write(limiter.sweep(clock.monotonicMs()));
    callOff = clock.after(SWEEP_MS, sweep);
  }
  callOff = clock.after(SWEEP_MS, sweep);

  const logger: Logger = pino(
    { level, base: null, onChild: (child) => void loggers.add(child as Logger) },
    {
      write(text) {
        const record = readRecord(text);
        ring.add(record);
        write(limiter.pass(record, clock.monotonicMs()));
      },
    },
  );
  loggers.add(logger);

  return {
    logger,
    ring,
    setLevel(next) {
      for (const one of loggers) one.level = next;
    },
    stop() {
      callOff();
      write(limiter.sweep(Number.POSITIVE_INFINITY));
    },
  };
}

const SWEEP_MS = 60_000;

/** Logs go to stderr: stdout belongs to results. */
export const toStderr = (line: string): void => void process.stderr.write(line);

/** Whether stderr is the journal's: a shell started by a service inherits the variable, but not the stream. @see systemd.exec(5) */
export function isStderrJournal(env: NodeJS.ProcessEnv): boolean {
  if (env.JOURNAL_STREAM === undefined) return false;
  try {
    const { dev, ino } = fstatSync(2, { bigint: true });
    return env.JOURNAL_STREAM === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
