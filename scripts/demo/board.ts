import { copyFile, mkdir, readdir, readFile, rename } from "node:fs/promises";
import path from "node:path";
import { type InferAnswer, inferSchema, type Status, statusSchema } from "../../device/api/schemas.ts";
import { configure, spawnDaemon } from "../daemon.ts";

/** A board of the demo's fleet. */
export interface Board {
  name: string;
  status(): Promise<Status>;
  infer(recording: string): Promise<InferAnswer>;
  /** Puts a recording into the watched folder of its class, as a program on the board would. */
  drop(recording: string, label: string): Promise<void>;
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
  await configure(folder, {
    device: name,
    model: path.resolve("models/spoken-digits"),
    watch: { folder: watch, stableMs: 100 },
    training: { minNewSamples, settleSeconds: 1, threads: 2 },
    mqtt: { broker, fleet: "demo", blockBytes: 4096 },
    log: { format: "json" },
  });
  const daemon = spawnDaemon(folder);
  const { client } = daemon;
  const answers = () => client.get("/v1/status", statusSchema).catch(() => null);
  await daemon.until("lichend", answers, { everyMs: 100, limitMs: START_LIMIT_MS });
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
    log: daemon.log,
    stop: daemon.stop,
  };
}

/** How many times longer than usual the demo waits before it gives up: a processor under emulation is slow. */
export const PATIENCE = Number(process.env.LICHEN_DEMO_PATIENCE ?? 1);

const START_LIMIT_MS = 20_000 * PATIENCE;

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
