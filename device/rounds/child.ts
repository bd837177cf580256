import { type ChildProcess, fork } from "node:child_process";
import type { Logger } from "pino";
import { ERRORS, type ErrorCode, LichenError } from "../../runtime/errors.ts";
import { type Job, type JobProgress, messageSchema, type TrainerMessage, type Verdict } from "./job.ts";

export interface JobRun {
  readonly onProgress: (progress: JobProgress) => void;
  /** Ends the process at once; a job leaves nothing half done that matters. */
  readonly signal: AbortSignal;
}

/** Does a job elsewhere. @throws ROUND_CRASHED, ROUND_HUNG, CANCELLED, and whatever the runtime threw */
export type RunJob = (job: Job, run: JobRun) => Promise<Verdict>;

export interface ChildOptions {
  /** The compiled `trainer.js`. */
  readonly trainer: string;
  /** Silence after which the process counts as hung. */
  readonly hangMs: number;
  readonly log: Logger;
}

/** The C library gives large blocks back at once, instead of keeping them as it sees fit: a board has other uses for them. @see mallopt(3) */
const GIVE_BACK = { MALLOC_MMAP_THRESHOLD_: "65536", MALLOC_TRIM_THRESHOLD_: "65536" };

/** Runs each job in a process of its own. */
export const childProcessJobs =
  ({ trainer, hangMs, log }: ChildOptions): RunJob =>
  (job, { onProgress, signal }) =>
    new Promise((resolve, reject) => {
      const env = { ...process.env, ...GIVE_BACK };
      const child = fork(trainer, [], { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [], env });
      const lastWords = tail(child);
      let silence: NodeJS.Timeout;
      let settled = false;

      const settle = (act: () => void) => {
        if (settled) return;
        settled = true;
        clearTimeout(silence);
        signal.removeEventListener("abort", cancel);
        act();
      };
      const fail = (error: LichenError) =>
        settle(() => {
          child.kill("SIGKILL");
          reject(error);
        });
      const cancel = () => fail(new LichenError("CANCELLED", { at: `${job.kind} job` }));
      const heard = () => {
        clearTimeout(silence);
        silence = setTimeout(
          () => fail(new LichenError("ROUND_HUNG", { at: `${job.kind} job`, found: `${hangMs / 1000} s of silence` })),
          hangMs,
        );
      };

      const reactions: { [K in TrainerMessage["tag"]]: (message: Extract<TrainerMessage, { tag: K }>) => void } = {
        alive: () => {},
        progress: ({ progress }) => onProgress(progress),
        done: ({ verdict }) => settle(() => resolve(verdict)),
        failed: (failure) => settle(() => reject(foreignError(failure, job.kind))),
      };

      child.on("message", (raw) => {
        if (settled) return;
        heard();
        const message = messageSchema.safeParse(raw);
        if (message.success) (reactions[message.data.tag] as (message: TrainerMessage) => void)(message.data);
        else fail(new LichenError("ROUND_CRASHED", { at: `${job.kind} job`, found: "a message that makes no sense" }));
      });
      child.on("error", (cause) =>
        fail(new LichenError("ROUND_CRASHED", { at: trainer, found: cause.message, cause })),
      );
      child.on("exit", (code, killedBy) => {
        const found = `${killedBy === null ? `exit code ${code}` : `signal ${killedBy}`} ${lastWords()}`.trim();
        if (!settled) log.warn({ kind: job.kind }, `the training process ended: ${found}`);
        fail(new LichenError("ROUND_CRASHED", { at: `${job.kind} job`, found }));
      });
      if (signal.aborted) return cancel();
      signal.addEventListener("abort", cancel, { once: true });
      heard();
      child.send(job, (error) => error && log.debug({ err: error }, "the job could not be sent"));
    });

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
