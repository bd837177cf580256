import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import { inferSchema, roundsSchema, statusSchema } from "../../device/api/schemas.ts";
import { createClient } from "../../device/cli/client.ts";
import type { Round } from "../../device/rounds/record.ts";
import { pause } from "../demo/board.ts";

/** A `lichend` process of its own: what is said to it comes over HTTP, what is asked of it over its socket. */
export interface Board {
  /** Somebody speaks: it is inferred, and kept in case that somebody labels it. */
  hear(wav: Uint8Array): Promise<void>;
  label(wav: Uint8Array, label: string): Promise<void>;
  /** What it takes a recording for, by which it learns nothing. */
  infer(wav: Uint8Array): Promise<string>;
  /** The rounds so far, once none is under way or due. */
  settled(): Promise<readonly Round[]>;
  stop(): Promise<void>;
}

export interface BoardOptions {
  folder: string;
  /** What the configuration says of training beside the ordinary. */
  training: Readonly<Record<string, unknown>>;
  minNewSamples: number;
  /** Of the sample store: what is older is forgotten. */
  maxBytes: number;
}

/** Others may be at work on this machine, and nobody wants to wait for them. */
const ANY = { startBelow: 100, pauseAbove: 100 };
const UNCONCERNED = {
  temperatureCelsius: ANY,
  cpuPressurePercent: ANY,
  memoryPressurePercent: ANY,
  ioPressurePercent: ANY,
  loadPerCore: { startBelow: 1e6, pauseAbove: 1e6 },
  inference: { p99Ratio: { startBelow: 1e6, pauseAbove: 1e6 } },
};

const SETTLE_MS = 100;
const LIMIT_MS = 120_000;

export async function startBoard({ folder, training, minNewSamples, maxBytes }: BoardOptions): Promise<Board> {
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const socket = path.join(folder, "socket");
  const config = path.join(folder, "lichen.yml");
  await writeFile(
    config,
    stringify({
      device: "drifting",
      model: path.resolve("models/spoken-digits"),
      data: path.join(folder, "data"),
      socket,
      http: { port },
      samples: { keepUnlabelled: true, maxBytes },
      training: { minNewSamples, settleSeconds: SETTLE_MS / 1000, threads: 2, ...training },
      governor: UNCONCERNED,
    }),
  );
  const daemon = spawn(process.execPath, ["dist/device/lichend.js", "--config", config], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  daemon.stderr.on("data", (chunk) => (log = `${log}${chunk}`.slice(-10_000)));
  const client = createClient(socket);
  const patiently = async <T>(what: string, ask: () => Promise<T | null>): Promise<T> => {
    for (const startedMs = performance.now(); performance.now() - startedMs < LIMIT_MS; await pause(50)) {
      const answer = daemon.exitCode === null ? await ask() : null;
      if (answer !== null) return answer;
      if (daemon.exitCode !== null) break;
    }
    await stopped(daemon);
    throw new Error(`${what} did not come:\n${log}`);
  };
  await patiently("lichend", () => client.get("/v1/status", statusSchema).catch(() => null));

  return {
    async hear(wav) {
      const url = `http://127.0.0.1:${port}/v1/infer?name=word.wav`;
      const response = await fetch(url, { method: "POST", body: Buffer.from(wav) });
      if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
      await response.arrayBuffer();
    },
    async label(wav, label) {
      const sha256 = createHash("sha256").update(wav).digest("hex");
      await client.post("/v1/labels", z.unknown(), { label, samples: { sha256 } });
    },
    infer: async (wav) => (await client.post("/v1/infer?name=word.wav", inferSchema, wav)).label,
    async settled() {
      await pause(2 * SETTLE_MS);
      await patiently("the end of a round", async () => {
        const { round, samples } = await client.get("/v1/status", statusSchema);
        return round.phase === "idle" && samples.new < minNewSamples ? round : null;
      });
      return (await client.get("/v1/rounds", roundsSchema)).rounds;
    },
    stop: () => stopped(daemon),
  };
}

async function stopped(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  daemon.kill("SIGTERM");
  await once(daemon, "exit");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}
