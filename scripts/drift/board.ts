import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import { inferSchema, roundsSchema, statusSchema } from "../../device/api/schemas.ts";
import type { Round } from "../../device/rounds/record.ts";
import { sha256 } from "../../runtime/package/package.ts";
import { configure, spawnDaemon } from "../daemon.ts";
import { freePort } from "../free-port.ts";

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

const SETTLE_MS = 100;
const PATIENCE = { everyMs: 50, limitMs: 120_000 };

export async function startBoard({ folder, training, minNewSamples, maxBytes }: BoardOptions): Promise<Board> {
  const port = await freePort();
  await configure(folder, {
    device: "drifting",
    model: path.resolve("models/spoken-digits"),
    http: { port },
    samples: { keepUnlabelled: true, maxBytes },
    training: { minNewSamples, settleSeconds: SETTLE_MS / 1000, threads: 2, ...training },
  });
  const daemon = spawnDaemon(folder);
  const { client } = daemon;
  await daemon.until("lichend", () => client.get("/v1/status", statusSchema).catch(() => null), PATIENCE);

  return {
    async hear(wav) {
      const url = `http://127.0.0.1:${port}/v1/infer?name=word.wav`;
      const response = await fetch(url, { method: "POST", body: Buffer.from(wav) });
      if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
      await response.arrayBuffer();
    },
    async label(wav, label) {
      await client.post("/v1/labels", z.unknown(), { label, samples: { sha256: sha256(wav) } });
    },
    infer: async (wav) => (await client.post("/v1/infer?name=word.wav", inferSchema, wav)).label,
    async settled() {
      await pause(2 * SETTLE_MS);
      const ask = async () => {
        const { round, samples } = await client.get("/v1/status", statusSchema);
        return round.phase === "idle" && samples.new < minNewSamples ? round : null;
      };
      await daemon.until("the end of a round", ask, PATIENCE);
      return (await client.get("/v1/rounds", roundsSchema)).rounds;
    },
    stop: daemon.stop,
  };
}
