import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, copyFile, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import {
  adaptersSchema,
  type InferAnswer,
  inferSchema,
  type Status,
  statusSchema,
} from "../../../device/api/schemas.ts";
import { createClient } from "../../../device/cli/client.ts";
import { ENVIRONMENT, NODE_FLAGS } from "../../../device/operation/node-flags.ts";
import { pause } from "../../demo/board.ts";

/** A `lichend` as a board runs it: bundled, and with the flags of its unit. */
export interface Board {
  readonly pid: number;
  /** From the start of the process to its first answer. */
  readonly firstAnswerMs: number;
  status(): Promise<Status>;
  infer(file: string): Promise<InferAnswer>;
  /** As a program on the board would have it inferred: by the watched folder. */
  inferInFolder(file: string): Promise<void>;
  sample(file: string, label: string): Promise<void>;
  /** A round, until it has ended. */
  adapt(): Promise<void>;
  use(adapter: string): Promise<void>;
  serving(): Promise<string | null>;
  stop(): Promise<void>;
}

export interface BoardOptions {
  /** `lichend.js` */
  readonly program: string;
  readonly folder: string;
  readonly model: string;
  /** What it is asked to infer first; without it, nobody asks it anything. */
  readonly first?: string;
  readonly training?: Readonly<Record<string, unknown>>;
}

const ANY = { startBelow: 1e6, pauseAbove: 1e6 };
const PERCENT = { startBelow: 100, pauseAbove: 100 };
const LIMIT_MS = 60_000;

export async function startBoard({ program, folder, model, first, training = {} }: BoardOptions): Promise<Board> {
  await mkdir(folder, { recursive: true });
  const socket = path.join(folder, "socket");
  const config = path.join(folder, "lichen.yml");
  await writeFile(
    config,
    stringify({
      model: path.resolve(model),
      data: path.join(folder, "data"),
      socket,
      watch: { folder: path.join(folder, "watch") },
      training: { minNewSamples: 1_000_000, ...training },
      // Of a busy machine the figures are worth less, but they are had.
      governor: {
        loadPerCore: ANY,
        inference: { p99Ratio: ANY },
        temperatureCelsius: PERCENT,
        cpuPressurePercent: PERCENT,
        ioPressurePercent: PERCENT,
        memoryPressurePercent: PERCENT,
      },
    }),
  );
  const client = createClient(socket);
  const bytes = first && (await readFile(first));
  const answers = async () => {
    if (!first || !bytes) return access(path.join(folder, "watch", "inbox"));
    await client.post(`/v1/infer?name=${encodeURIComponent(path.basename(first))}`, inferSchema, bytes);
  };
  const startedMs = performance.now();
  const daemon = spawn(process.execPath, [...NODE_FLAGS, program, "--config", config], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...ENVIRONMENT },
  });
  let log = "";
  daemon.stderr.on("data", (chunk) => (log = `${log}${chunk}`.slice(-10_000)));
  const isAnswering = () =>
    answers().then(
      () => true,
      () => false,
    );
  while (!(await isAnswering())) {
    if (daemon.exitCode !== null || performance.now() - startedMs > LIMIT_MS) {
      await stopped(daemon);
      throw new Error(`lichend did not answer:\n${log}`);
    }
    await pause(10);
  }
  const firstAnswerMs = performance.now() - startedMs;
  return {
    pid: daemon.pid!,
    firstAnswerMs,
    status: () => client.get("/v1/status", statusSchema),
    infer: async (file) =>
      client.post(`/v1/infer?name=${encodeURIComponent(path.basename(file))}`, inferSchema, await readFile(file)),
    async inferInFolder(file) {
      const [watch, name] = [path.join(folder, "watch"), path.basename(file)];
      await copyFile(file, path.join(folder, name));
      await rename(path.join(folder, name), path.join(watch, "inbox", name));
      const result = path.join(watch, "done", `${name}.json`);
      for (const sinceMs = performance.now(); performance.now() - sinceMs < LIMIT_MS; await pause(100)) {
        if (
          await access(result).then(
            () => true,
            () => false,
          )
        )
          return;
      }
      throw new Error(`nothing came of ${name}:\n${log}`);
    },
    async sample(file, label) {
      await client.post(
        `/v1/samples?name=${encodeURIComponent(path.basename(file))}&label=${label}`,
        z.unknown(),
        await readFile(file),
      );
    },
    async adapt() {
      for await (const _ of client.follow("/v1/adapt", z.unknown()));
    },
    async use(adapter) {
      await client.post(`/v1/use?adapter=${adapter}`, z.unknown());
    },
    serving: async () => (await client.get("/v1/adapters", adaptersSchema)).current?.sha256 ?? null,
    stop: () => stopped(daemon),
  };
}

export async function stopped(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  daemon.kill("SIGTERM");
  await once(daemon, "exit");
}
