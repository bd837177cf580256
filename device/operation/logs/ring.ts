import type { LogRecord } from "./record.ts";

/** The last records, in memory: for whoever comes in over SSH where no journal is kept. */
export interface LogRing {
  add(record: LogRecord): void;
  /**
   * Oldest first.
   * @param level those of this level and above  @param last at most so many, the newest  @param after only what came after so many
   */
  records(choice: {
    readonly level: number;
    readonly last: number;
    readonly after?: number | undefined;
  }): readonly LogRecord[];
  /** How many were added since the start. */
  added(): number;
}

export function createLogRing(size: number): LogRing {
  const kept: LogRecord[] = [];
  let added = 0;
  return {
    add(record) {
      added++;
      kept.push(bounded(record));
      if (kept.length > size) kept.shift();
    },
    records({ level, last, after = 0 }) {
      const fresh = after <= added - kept.length ? kept : kept.slice(after - added + kept.length);
      return last <= 0 ? [] : fresh.filter((record) => record.level >= level).slice(-last);
    },
    added: () => added,
  };
}

/** Records of errors carry stacks and messages of any length; the ring must not. */
function bounded({ level, time, msg, code, err }: LogRecord): LogRecord {
  const cause = err === undefined ? "" : ` ${(err as { message?: unknown }).message}`;
  return { level, time, msg: `${msg}${cause}`.slice(0, MAX_CHARACTERS), ...(code !== undefined && { code }) };
}

const MAX_CHARACTERS = 500;
