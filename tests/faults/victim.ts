import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { onTestFinished, vi } from "vitest";
import { stringify } from "yaml";
import { type Status, statusSchema } from "../../device/api/schemas.ts";
import { type Client, createClient } from "../../device/cli/client.ts";
import { compiled, MODEL, stop, UNCONCERNED } from "../e2e/board.ts";
import { FAULT_VARIABLE, type Fault } from "./fault.ts";

const INJECT = pathToFileURL(join(dirname(compiled("")), "tests", "faults", "inject.js")).href;

/** Machines that test are slow at times; a board that hangs is found out all the same. */
export const PATIENCE = { timeout: 90_000, interval: 40 };

/** A daemon that something happens to. */
export interface Running {
  readonly process: ChildProcess;
  /** It answers; false: it was killed before. */
  isUp(): Promise<boolean>;
  /** Resolves with the signal or the exit code. */
  readonly ended: Promise<NodeJS.Signals | number>;
  kill(): Promise<void>;
  /** A clean end. @returns its exit code */
  stop(): Promise<number | null>;
}

/** A board in a folder of its own, with the real daemon, whose disk, clock and power can be bad. */
export interface Victim {
  readonly folder: string;
  readonly data: string;
  readonly client: Client;
  run(fault?: Fault): Running;
  /** Runs it until it answers.  @throws with its log when it ends instead */
  start(fault?: Fault): Promise<Running>;
  status(): Promise<Status>;
  /** Waits until something holds, and gives it.  @throws when the daemon ends before */
  until<T>(holds: () => T | Promise<T>): Promise<T>;
  /** As a careful sender does: whole, or not there. */
  drop(file: string, place: string): Promise<string>;
  /** What all of its lives have logged. */
  log(): string;
  /** Before the test is over, where there are many boards. */
  remove(): Promise<void>;
}

export interface Place {
  /** A board's folder to begin with. */
  readonly copyOf?: string;
  readonly changes?: Record<string, unknown>;
  /** Where its data lies, if not beside its configuration. */
  readonly data?: string;
}

export async function victim({ copyOf, changes, data: elsewhere }: Place = {}): Promise<Victim> {
  const folder = await mkdtemp(join(tmpdir(), "lichen fault "));
  const config = join(folder, "lichend.yaml");
  const data = elsewhere ?? join(folder, "data");
  const socket = join(folder, "lichend.sock");
  const running = new Set<ChildProcess>();
  let log = "";
  const remove = async () => {
    for (const one of running) await stop(one, "SIGKILL");
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  onTestFinished(remove);
  if (copyOf !== undefined) await cp(copyOf, folder, { recursive: true, preserveTimestamps: true });
  await writeFile(config, stringify({ ...CONFIG, data, socket, ...changes }));

  const client = createClient(socket);
  const self: Victim = {
    folder,
    data,
    client,
    run(fault = {}) {
      const daemon = spawn(process.execPath, [compiled("lichend.js"), "--config", config], {
        stdio: ["ignore", "ignore", "pipe"],
        // A process group of its own: the power goes for the training process too.
        detached: true,
        env: { ...process.env, NODE_OPTIONS: `--import "${INJECT}"`, [FAULT_VARIABLE]: JSON.stringify(fault) },
      });
      running.add(daemon);
      daemon.stderr?.on("data", (chunk) => {
        log += chunk;
      });
      const ended = once(daemon, "exit").then(([code, signal]) => {
        running.delete(daemon);
        return (signal ?? code) as NodeJS.Signals | number;
      });
      const hasEnded = () => daemon.exitCode !== null || daemon.signalCode !== null;
      return {
        process: daemon,
        ended,
        isUp: () =>
          vi
            .waitFor(async () => !hasEnded() && (await self.status()) !== undefined, PATIENCE)
            .catch((error) => {
              if (hasEnded()) return false;
              throw new Error(`it does not start: ${error}\n${log.slice(-4000)}`);
            }),
        async kill() {
          if (hasEnded()) return;
          process.kill(-daemon.pid!, "SIGKILL");
          await ended;
        },
        stop: () => stop(daemon),
      };
    },
    async start(fault) {
      const started = self.run(fault);
      if (!(await started.isUp())) throw new Error(`it ended with ${await started.ended}\n${log.slice(-4000)}`);
      return started;
    },
    status: () => client.get("/v1/status", statusSchema),
    async until(holds) {
      const found = await vi.waitFor(async () => (running.size === 0 ? null : { value: await holds() }), PATIENCE);
      if (found === null || running.size === 0) throw new Error("the daemon is gone");
      return found.value;
    },
    async drop(file, place) {
      const target = join(folder, "watch", place);
      await mkdir(dirname(target), { recursive: true });
      const aside = join(dirname(target), `.${basename(target)}`);
      await copyFile(file, aside);
      await rename(aside, target);
      return target;
    },
    log: () => log,
    remove,
  };
  return self;
}

/** Small rounds, by request only, and no start that counts as a crash: it is killed all the time. */
const CONFIG = {
  device: "victim",
  model: MODEL,
  watch: { folder: "watch", stableMs: 20 },
  training: { minNewSamples: 10_000, epochs: 2, settleSeconds: 0, retrySeconds: 0.1 },
  adapters: { crashLoop: { starts: 0 } },
  gate: { minHeldOut: 5 },
  governor: UNCONCERNED,
  log: { level: "debug" },
};

/** Files below a folder, however deep; none where there is no such folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

export const linesOf = async (file: string): Promise<string[]> => (await readFile(file, "utf8")).trim().split("\n");
