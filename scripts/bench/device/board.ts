import { access, copyFile, readFile, rename } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import {
  adaptersSchema,
  type InferAnswer,
  inferSchema,
  type Status,
  statusSchema,
} from "../../../device/api/schemas.ts";
import { ENVIRONMENT, NODE_FLAGS } from "../../../device/operation/node-flags.ts";
import { configure, spawnDaemon } from "../../daemon.ts";

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

const LIMIT_MS = 60_000;

export async function startBoard({ program, folder, model, first, training = {} }: BoardOptions): Promise<Board> {
  const watch = path.join(folder, "watch");
  // Of a busy machine the figures are worth less, but they are had.
  await configure(folder, {
    model: path.resolve(model),
    watch: { folder: watch },
    training: { minNewSamples: 1_000_000, ...training },
  });
  const bytes = first && (await readFile(first));
  const startedMs = performance.now();
  const daemon = spawnDaemon(folder, { program, flags: NODE_FLAGS, env: ENVIRONMENT });
  const { client } = daemon;
  const infer = (file: string, content: Uint8Array) =>
    client.post(`/v1/infer?name=${encodeURIComponent(path.basename(file))}`, inferSchema, content);
  const answers = () => (first && bytes ? isDone(infer(first, bytes)) : isDone(access(path.join(watch, "inbox"))));
  await daemon.until("an answer of lichend", answers, { everyMs: 10, limitMs: LIMIT_MS });
  const firstAnswerMs = performance.now() - startedMs;
  return {
    pid: daemon.pid,
    firstAnswerMs,
    status: () => client.get("/v1/status", statusSchema),
    infer: async (file) => infer(file, await readFile(file)),
    async inferInFolder(file) {
      const name = path.basename(file);
      await copyFile(file, path.join(folder, name));
      await rename(path.join(folder, name), path.join(watch, "inbox", name));
      const result = path.join(watch, "done", `${name}.json`);
      await daemon.until(`what ${name} is`, () => isDone(access(result)), { everyMs: 100, limitMs: LIMIT_MS });
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
    stop: daemon.stop,
  };
}

/** null: it failed, and may be tried again. */
const isDone = (work: Promise<unknown>): Promise<true | null> =>
  work.then(
    () => true,
    () => null,
  );
