import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** What the kernel and the firmware tell about the board. Nothing rejects: what cannot be had is null, or an empty list. */
export interface System {
  /** @param path below the root folder, as `proc/loadavg` */
  read(path: string): Promise<string | null>;
  list(folder: string): Promise<readonly string[]>;
  /** What a command writes to stdout; null when there is none, when it fails, or takes too long. */
  run(command: string, args: readonly string[]): Promise<string | null>;
}

const COMMAND_MS = 2000;

/** @param root another than `/` is for tests and containers */
export const nodeSystem = (root = "/"): System => ({
  read: (path) => readFile(join(root, path), "latin1").catch(() => null),
  list: (folder) => readdir(join(root, folder)).catch(() => []),
  run: (command, args) =>
    new Promise((resolve) => {
      const options = { timeout: COMMAND_MS, killSignal: "SIGKILL", maxBuffer: 64 * 1024 } as const;
      execFile(command, [...args], options, (error, stdout) => resolve(error === null ? stdout : null));
    }),
});

/** A decimal number alone in a file. */
export function parseNumber(text: string | null): number | null {
  const found = text === null ? null : /^\s*(-?\d{1,18}(?:\.\d{1,18})?)\s*$/.exec(text);
  return found === null ? null : Number(found[1]);
}

export const readNumber = async (system: System, path: string): Promise<number | null> =>
  parseNumber(await system.read(path));

export const readWord = async (system: System, path: string): Promise<string | null> =>
  (await system.read(path))?.trim() ?? null;
