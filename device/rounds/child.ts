import { type ChildProcess, fork } from "node:child_process";
import type { Logger } from "pino";
import { ERRORS, type ErrorCode, LichenError } from "../../runtime/errors.ts";
import type { ProcessUsage } from "../governor/process-usage.ts";
import type { System } from "../governor/system.ts";
import { ENVIRONMENT } from "../operation/node-flags.ts";
import type { Job } from "./job.ts";
import { type JobProgress, messageSchema, type TrainerMessage, type Verdict } from "./job-messages.ts";
import { comeLast, endStrays, killFirst, launchIdle, watchMemory } from "./process.ts";

/** A job that is being done elsewhere. */
export interface RunningJob {
  /** undefined: it could not even begin. */
  readonly pid: number | undefined;
  /** @throws ROUND_CRASHED, ROUND_HUNG, ROUND_OVER_MEMORY, CANCELLED after `end`, and whatever the runtime threw */
  readonly verdict: Promise<Verdict>;
  /** Stops it where it is, at once; what it holds stays. */
  hold(): void;
  /** Lets it go on. */
  release(): void;
  /** Asks it to put down what it has learnt, and to end. */
  end(): void;
  /** What it said of itself at its end. */
  usage(): ProcessUsage | undefined;
}

export type RunJob = (job: Job, onProgress: (progress: JobProgress) => void) => RunningJob;

export interface Jobs {
  readonly run: RunJob;
  /** Ends what an earlier daemon left behind: a process that was held when the daemon was killed never hears of it. */
  endStrays(): Promise<void>;
}

export interface ChildOptions {
  /** The compiled `trainer.js`. */
  readonly trainer: string;
  /** Names the processes of one daemon, so that it knows its own again: its data folder. */
  readonly owner: string;
  /** Silence after which the process counts as hung; while it is held it may be silent. */
  readonly hangMs: number;
  /** When asked to end, it is given so long. */
  readonly graceMs: number;
  readonly maxMemoryBytes: number;
  readonly maxHeapBytes: number;
  readonly system: System;
  readonly log: Logger;
}

/** Does each job in a process of its own: the first to go when memory is short, and ended when it takes more than it may. */
export const childProcessJobs = (options: ChildOptions): Jobs => ({
  run: (job, onProgress) => startJob(job, onProgress, options),
  endStrays: () => endStrays(options),
});

function startJob(job: Job, onProgress: (progress: JobProgress) => void, options: ChildOptions): RunningJob {
  const { trainer, owner, hangMs, graceMs, maxMemoryBytes, maxHeapBytes, system, log } = options;
  const at = `${job.kind} job`;
  const launch = launchIdle();
  const child = fork(trainer, [owner], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execPath: launch.execPath,
    execArgv: [...launch.execArgv, `--max-old-space-size=${Math.ceil(maxHeapBytes / 2 ** 20)}`],
    env: { ...process.env, ...ENVIRONMENT },
  });
  if (child.pid !== undefined) comeLast(child.pid);
  const lastWords = tail(child);
  let usage: ProcessUsage | undefined;
  let silence: NodeJS.Timeout | undefined;
  let isHeld = false;
  let isEnding = false;
  let settle: (act: () => void) => void;
  let fail: (error: LichenError) => void;

  const verdict = new Promise<Verdict>((resolve, reject) => {
    let settled = false;
    settle = (act) => {
      if (settled) return;
      settled = true;
      clearTimeout(silence);
      endWatch();
      act();
    };
    fail = (error) =>
      settle(() => {
        child.kill("SIGKILL");
        reject(error);
      });
    const crashed = (found: string, cause?: unknown) =>
      isEnding ? cancelled() : new LichenError("ROUND_CRASHED", { at, found, cause });
    const endWatch =
      child.pid === undefined
        ? () => {}
        : watchMemory(system, child.pid, maxMemoryBytes, (heldBytes) =>
            fail(
              new LichenError("ROUND_OVER_MEMORY", { at, found: `${heldBytes} bytes`, wanted: `${maxMemoryBytes}` }),
            ),
          );

    const reactions: { [K in TrainerMessage["tag"]]: (message: Extract<TrainerMessage, { tag: K }>) => void } = {
      alive: () => {},
      usage: (message) => {
        usage = message.usage;
      },
      progress: ({ progress }) => onProgress(progress),
      done: (message) => settle(() => resolve(message.verdict)),
      failed: (failure) => settle(() => reject(foreignError(failure, job.kind))),
    };
    child.on("message", (raw) => {
      heard();
      const message = messageSchema.safeParse(raw);
      if (message.success) (reactions[message.data.tag] as (message: TrainerMessage) => void)(message.data);
      else fail(crashed("a message that makes no sense"));
    });
    child.on("error", (cause) => fail(crashed(cause.message, cause)));
    child.on("exit", (code, killedBy) => {
      const found = `${killedBy === null ? `exit code ${code}` : `signal ${killedBy}`} ${lastWords()}`.trim();
      if (code !== 0) log.warn({ kind: job.kind }, `the training process ended: ${found}`);
      fail(crashed(found));
    });
  });
  // Whoever runs the job asks for the verdict when they are ready to.
  verdict.catch(() => undefined);

  const cancelled = () => new LichenError("CANCELLED", { at });
  const signal = (name: NodeJS.Signals) =>
    void (child.pid !== undefined && child.exitCode === null && child.kill(name));

  function heard(): void {
    clearTimeout(silence);
    if (isHeld || isEnding) return;
    const found = `${hangMs / 1000} s of silence`;
    silence = setTimeout(() => fail(new LichenError("ROUND_HUNG", { at, found })), hangMs);
  }

  if (child.pid !== undefined) void killFirst(child.pid);
  heard();
  child.send(job, (error) => error && log.debug({ err: error }, "the job could not be sent"));
  return {
    pid: child.pid,
    verdict,
    hold() {
      if (isEnding || isHeld) return;
      isHeld = true;
      clearTimeout(silence);
      signal("SIGSTOP");
    },
    release() {
      if (!isHeld) return;
      isHeld = false;
      signal("SIGCONT");
      heard();
    },
    end() {
      if (isEnding) return;
      isEnding = true;
      isHeld = false;
      clearTimeout(silence);
      signal("SIGTERM");
      // A stopped process hears nothing else.
      signal("SIGCONT");
      // Not put off by what it still says.
      setTimeout(() => fail(cancelled()), graceMs).unref();
    },
    usage: () => usage,
  };
}

/** An error that crossed the process border, with its code where the table knows it. */
function foreignError({ code, message, at, found, wanted }: Failure, kind: string): Error {
  if (!(code in ERRORS)) return new LichenError("ROUND_CRASHED", { at: `${kind} job`, found: message });
  return new LichenError(code as ErrorCode, {
    ...(at !== undefined && { at }),
    ...(found !== undefined && { found }),
    ...(wanted !== undefined && { wanted }),
  });
}

type Failure = Extract<TrainerMessage, { tag: "failed" }>;

/** The end of what the process wrote to stderr: what a crash leaves to go by. */
function tail(child: ChildProcess): () => string {
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    text = `${text}${chunk}`.slice(-1000);
  });
  return () => text.trim();
}
