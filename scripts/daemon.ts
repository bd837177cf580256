import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { stringify } from "yaml";
import { type Client, createClient } from "../device/cli/client.ts";

/** A `lichend` process of its own, in a folder of its own, asked over its socket as `lichen` would. */
export interface Daemon {
  readonly pid: number;
  readonly client: Client;
  /** The last of what it logged, for when something goes wrong. */
  log(): string;
  /** Asks until there is an answer. @param ask null: not yet  @throws with the log, once the daemon or the time is over */
  until<T>(what: string, ask: () => Promise<T | null>, patience: Patience): Promise<T>;
  stop(): Promise<void>;
}

export interface Patience {
  readonly everyMs: number;
  readonly limitMs: number;
}

export interface DaemonOptions {
  /** `lichend.js` */
  readonly program?: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const ANY = { startBelow: 100, pauseAbove: 100 };
const ANY_NUMBER = { startBelow: 1e6, pauseAbove: 1e6 };

/** Others may be at work on this machine, and nobody wants to wait for them. */
const UNCONCERNED = {
  temperatureCelsius: ANY,
  cpuPressurePercent: ANY,
  memoryPressurePercent: ANY,
  ioPressurePercent: ANY,
  loadPerCore: ANY_NUMBER,
  inference: { p99Ratio: ANY_NUMBER },
};

/** Writes the configuration of the folder's daemon. @param keys beside those that say where it is at home */
export async function configure(folder: string, keys: Readonly<Record<string, unknown>>): Promise<void> {
  await mkdir(folder, { recursive: true });
  const own = { data: path.join(folder, "data"), socket: socketOf(folder), governor: UNCONCERNED };
  await writeFile(configOf(folder), stringify({ ...own, ...keys }));
}

/** Starts the daemon of a folder that has been configured, and does not wait for it. */
export function spawnDaemon(folder: string, options: DaemonOptions = {}): Daemon {
  const { program = "dist/device/lichend.js", flags = [], env = {} } = options;
  const daemon = spawn(process.execPath, [...flags, program, "--config", configOf(folder)], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env },
  });
  let log = "";
  daemon.stderr.on("data", (chunk) => (log = `${log}${chunk}`.slice(-LOG_CHARACTERS)));
  return {
    pid: daemon.pid!,
    client: createClient(socketOf(folder)),
    log: () => log,
    async until(what, ask, { everyMs, limitMs }) {
      for (const startedMs = performance.now(); performance.now() - startedMs < limitMs; await pause(everyMs)) {
        if (hasEnded(daemon)) break;
        const answer = await ask();
        if (answer !== null) return answer;
      }
      await stopped(daemon);
      throw new Error(`${what} did not come:\n${log}`);
    },
    stop: () => stopped(daemon),
  };
}

const LOG_CHARACTERS = 100_000;

const configOf = (folder: string): string => path.join(folder, "lichen.yml");
const socketOf = (folder: string): string => path.join(folder, "socket");

/** Ends a process, unless it has ended. */
export async function stopped(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;
