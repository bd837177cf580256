import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished, vi } from "vitest";
import { stringify } from "yaml";
import { type Status, statusSchema } from "../../device/api/schemas.ts";
import { createClient } from "../../device/cli/client.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const compiled = (name: string) => join(root, "dist", "device", name);

const ANY = { startBelow: 100, pauseAbove: 100 };
/** Tests train on whatever machine they find, however busy it is. */
export const UNCONCERNED = {
  temperatureCelsius: ANY,
  cpuPressurePercent: ANY,
  memoryPressurePercent: ANY,
  ioPressurePercent: ANY,
  loadPerCore: { startBelow: 1e6, pauseAbove: 1e6 },
  freeMemoryBytes: { startAbove: 0, pauseBelow: 0 },
  batteryPercent: { startAbove: 0, pauseBelow: 0 },
};

export const MODEL = join(root, "models", "spoken-digits");
const RECORDINGS = join(root, "scripts", "demo", "recordings");

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A board in a folder with spaces in its path: a real daemon, and the real command to ask it. */
export interface Board {
  readonly folder: string;
  start(): Promise<ChildProcess>;
  lichen(...parameters: string[]): Promise<Ran>;
  status(): Promise<Status>;
  /** Copies a file in the way a careful sender does: whole, or not there. */
  drop(file: string, place: string): Promise<void>;
  log(): string;
}

export async function board(changes: Record<string, unknown> = {}): Promise<Board> {
  const folder = await mkdtemp(join(tmpdir(), "lichen e2e "));
  const config = join(folder, "lichend.yaml");
  const running = new Set<ChildProcess>();
  let log = "";
  onTestFinished(async () => {
    for (const daemon of running) await stop(daemon, "SIGKILL");
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  await writeFile(
    config,
    stringify({
      device: "board-a",
      model: MODEL,
      data: "state of it",
      watch: { folder: "watched folder", stableMs: 100 },
      training: { settleSeconds: 0.5, retrySeconds: 0.1 },
      governor: UNCONCERNED,
      ...changes,
    }),
  );
  const socket = join(folder, "state of it", "lichend.sock");
  const lichen = (...parameters: string[]) =>
    run(compiled("lichen.js"), parameters, { ...process.env, LICHEN_SOCKET: socket });

  const self: Board = {
    folder,
    lichen,
    async start() {
      const daemon = spawn(process.execPath, [compiled("lichend.js"), "--config", config], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      running.add(daemon);
      daemon.once("exit", () => running.delete(daemon));
      daemon.stderr?.on("data", (chunk) => {
        log += chunk;
      });
      await vi.waitFor(() => {
        if (daemon.exitCode !== null) throw new Error(log);
        return self.status();
      }, WAIT);
      return daemon;
    },
    // Asked directly: a process for each question would be most of the test's time.
    status: () => createClient(socket).get("/v1/status", statusSchema),
    async drop(file, place) {
      const target = join(folder, "watched folder", place);
      const aside = join(dirname(target), `.${basename(target)}`);
      await copyFile(file, aside);
      await rename(aside, target);
    },
    log: () => log,
  };
  return self;
}

export const WAIT = { timeout: 60_000, interval: 100 };

export async function stop(daemon: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return daemon.exitCode;
  const exit = once(daemon, "exit");
  daemon.kill(signal);
  await exit;
  return daemon.exitCode;
}

export async function lichend(...parameters: string[]): Promise<Ran> {
  return run(compiled("lichend.js"), parameters, process.env);
}

async function run(script: string, parameters: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  const child = spawn(process.execPath, [script, ...parameters], { env, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (chunk) => {
      output[name] += chunk;
    });
  }
  await once(child, "close");
  return { code: child.exitCode, ...output };
}

export interface Recording {
  readonly file: string;
  readonly label: string;
}

export async function recordings(device: "board-a" | "board-b", part: "train" | "test"): Promise<Recording[]> {
  const folder = join(RECORDINGS, device, part);
  const labels = (await readdir(folder)).sort();
  const lists = await Promise.all(
    labels.map(async (label) =>
      (await readdir(join(folder, label))).sort().map((name) => ({ file: join(folder, label, name), label })),
    ),
  );
  return lists.flat();
}

/** Drops labelled recordings into their class folders, each under a name of its own. */
export async function dropAll(to: Board, list: readonly Recording[]): Promise<void> {
  for (const [at, { file, label }] of list.entries()) await to.drop(file, join(label, `${at}.wav`));
}
