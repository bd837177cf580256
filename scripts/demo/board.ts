import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { stringify } from "yaml";
import { type InferAnswer, inferSchema, type Status, statusSchema } from "../../device/api/schemas.ts";
import { type Client, createClient } from "../../device/cli/client.ts";

/** A board: a `lichend` process of its own, in a folder of its own, asked over its socket as `lichen` would. */
export interface Board {
  name: string;
  status(): Promise<Status>;
  infer(recording: string): Promise<InferAnswer>;
  /** Puts a recording into the watched folder of its class, as a program on the board would. */
  drop(recording: string, label: string): Promise<void>;
  /** What the daemon logged, for when something goes wrong. */
  log(): string;
  stop(): Promise<void>;
}

export interface BoardOptions {
  name: string;
  folder: string;
  broker: string;
  /** Samples after which it trains by itself. */
  minNewSamples: number;
}

/** Starts a daemon and waits until it answers. */
export async function startBoard({ name, folder, broker, minNewSamples }: BoardOptions): Promise<Board> {
  const watch = path.join(folder, "watch");
  await mkdir(watch, { recursive: true });
  const config = path.join(folder, "lichen.yml");
  await writeFile(
    config,
    stringify({
      device: name,
      model: path.resolve("models/spoken-digits"),
      data: path.join(folder, "data"),
      socket: path.join(folder, "socket"),
      watch: { folder: watch, stableMs: 100 },
      training: { minNewSamples, settleSeconds: 1, threads: 2 },
      // Whoever looks on does not want to wait until the machine is idle.
      governor: {
        loadPerCore: { startBelow: 1e6, pauseAbove: 1e6 },
        cpuPressurePercent: { startBelow: 100, pauseAbove: 100 },
        ioPressurePercent: { startBelow: 100, pauseAbove: 100 },
        temperatureCelsius: { startBelow: 100, pauseAbove: 100 },
      },
      mqtt: { broker, fleet: "demo", blockBytes: 4096 },
      log: { format: "json" },
    }),
  );
  const daemon = spawn(process.execPath, ["dist/device/lichend.js", "--config", config], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [daemon.stdout, daemon.stderr]) stream.on("data", (chunk) => (log += chunk));

  const client = createClient(path.join(folder, "socket"));
  await answering(client, daemon, () => log);
  return {
    name,
    status: () => client.get("/v1/status", statusSchema),
    infer: async (recording) =>
      client.post(
        `/v1/infer?name=${encodeURIComponent(path.basename(recording))}`,
        inferSchema,
        await readFile(recording),
      ),
    async drop(recording, label) {
      // Copied beside the folder and then renamed into it: the daemon never sees half a file.
      const arriving = path.join(folder, path.basename(recording));
      await copyFile(recording, arriving);
      await rename(arriving, path.join(watch, label, path.basename(recording)));
    },
    log: () => log,
    stop: () => stopped(daemon),
  };
}

/** How many times longer than usual the demo waits before it gives up: a processor under emulation is slow. */
export const PATIENCE = Number(process.env.LICHEN_DEMO_PATIENCE ?? 1);

const START_LIMIT_MS = 20_000 * PATIENCE;

async function answering(client: Client, daemon: ChildProcess, log: () => string): Promise<void> {
  for (const startedMs = performance.now(); performance.now() - startedMs < START_LIMIT_MS; await pause(100)) {
    if (daemon.exitCode !== null) break;
    if (await client.get("/v1/status", statusSchema).catch(() => null)) return;
  }
  await stopped(daemon);
  throw new Error(`lichend did not start:\n${log()}`);
}

async function stopped(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  daemon.kill("SIGTERM");
  await once(daemon, "exit");
}

export interface Recording {
  file: string;
  label: string;
}

/** Recordings in a folder with one folder per class. */
export async function recordings(folder: string): Promise<Recording[]> {
  const found: Recording[] = [];
  for (const label of (await readdir(folder)).sort()) {
    for (const name of (await readdir(path.join(folder, label))).sort())
      found.push({ file: path.join(folder, label, name), label });
  }
  return found;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
