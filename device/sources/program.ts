import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import type { Logger } from "pino";
import { errorCode, LichenError } from "../../runtime/errors.ts";
import type { Clock } from "../clock.ts";
import { type Backoff, backoffMs } from "../sync/backoff.ts";
import type { SourceHealth } from "./source.ts";

export interface ProgramOptions {
  /** The program and its arguments, as they are: no shell reads them. */
  readonly argv: readonly [string, ...string[]];
  readonly workingFolder: string;
  /** Whether it is started again when it ended well. */
  readonly again: "always" | "failure";
  readonly backoff: Backoff;
  /** A program from which nothing of use has come for so long is ended; 0: never. */
  readonly hangMs: number;
  /** Between asking it to end and making it end. */
  readonly graceMs: number;
  /** What it writes beyond that is read later. */
  readonly maxBytesPerSecond: number;
  readonly clock: Clock;
  readonly log: Logger;
  random(): number;
}

export interface ProgramEvents {
  begins(): void;
  /**
   * What it wrote. More is read only when this has resolved.
   * @returns whether it held anything of use.  @throws what makes the program useless: it is ended, and started again
   */
  data(bytes: Uint8Array): Promise<boolean>;
  /** Everything that it wrote has been read. */
  ended(): Promise<void>;
}

/** A program that is always wanted: it is started again after every end, until it is stopped. */
export interface Program {
  start(): void;
  /** Resolves when it is gone, and whatever it started in its process group. */
  stop(): Promise<void>;
  status(): Omit<SourceHealth, "skipped">;
}

/** Who has run for so long has got over what made it fail before. */
const STABLE_MS = 60_000;
const STDERR_TAIL = 1000;

type Child = ChildProcessByStdio<null, Readable, Readable>;
type Phase = { tag: "stopped" } | { tag: "running"; child: Child } | { tag: "waiting"; wake: () => void };

interface Ending {
  readonly problem: LichenError | null;
  readonly wasUseful: boolean;
  readonly lastedMs: number;
}

export function createProgram(options: ProgramOptions, events: ProgramEvents): Program {
  const { argv, clock, log } = options;
  let phase: Phase = { tag: "stopped" };
  let isWanted = false;
  let life: Promise<void> = Promise.resolve();
  let starts = 0;
  let failures = 0;
  let problem: SourceHealth["problem"] = null;

  async function live(): Promise<void> {
    while (isWanted) {
      const ending = await run().catch(cannotStart);
      if (!isWanted) break;
      const { wasUseful, lastedMs } = ending;
      if (wasUseful && (ending.problem === null || lastedMs >= STABLE_MS)) failures = 0;
      if (ending.problem !== null || !wasUseful) failures++;
      if (ending.problem !== null) {
        problem = { code: errorCode(ending.problem), message: ending.problem.message };
        log.warn({ code: problem.code, failures }, problem.message);
      } else if (options.again === "failure") break;
      const waitMs = backoffMs(Math.max(1, failures), options.random(), options.backoff);
      await new Promise<void>((done) => {
        const callOff = clock.after(waitMs, done);
        const wake = () => {
          callOff();
          done();
        };
        phase = { tag: "waiting", wake };
      });
    }
    phase = { tag: "stopped" };
  }

  /** From its start to its end. */
  async function run(): Promise<Ending> {
    const bornMs = clock.monotonicMs();
    const [file, ...rest] = argv;
    // A process group of its own, so that what it starts ends with it.
    const child = spawn(file, rest, {
      cwd: options.workingFolder,
      env: environment(),
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    phase = { tag: "running", child };
    starts++;
    const gone = endOf(child, options);
    const lastWords = tailOf(child.stderr);
    let wasUseful = false;
    let failure: unknown;
    const watch = hangWatch(() => {
      failure ??= failed("nothing of use came", `something in ${options.hangMs / 1000} s`);
      endGroup(child, options);
    });
    try {
      events.begins();
      const isUnderLimit = createThrottle(options);
      for await (const bytes of child.stdout) {
        watch.pause();
        if (await events.data(bytes)) {
          wasUseful = true;
          watch.restart();
        }
        await isUnderLimit(bytes.length);
        watch.resume();
      }
      await events.ended();
    } catch (error) {
      failure ??= error;
      endGroup(child, options);
    }
    watch.stop();
    const how = await gone;
    if (failure === undefined && how !== "exit code 0") failure = failed(how, "a program that goes on");
    return {
      wasUseful,
      lastedMs: clock.monotonicMs() - bornMs,
      problem: failure === undefined ? null : failure instanceof LichenError ? failure : failed(String(failure), "use"),
    };

    function failed(how: string, wanted: string): LichenError {
      const words = lastWords();
      return new LichenError("PROGRAM_FAILED", {
        at: argv.join(" ").slice(0, 200),
        found: words === "" ? how : `${how}, last words: ${words}`,
        wanted,
      });
    }
  }

  /** Calls once when nothing of use has come for too long; time spent on what came does not count. */
  function hangWatch(act: () => void) {
    let leftMs = options.hangMs;
    let sinceMs = clock.monotonicMs();
    let callOff: (() => void) | undefined;
    const resume = () => {
      if (options.hangMs === 0) return;
      sinceMs = clock.monotonicMs();
      callOff = clock.after(leftMs, act);
    };
    const pause = () => {
      callOff?.();
      callOff = undefined;
      leftMs = Math.max(1, leftMs - (clock.monotonicMs() - sinceMs));
    };
    resume();
    return {
      pause,
      resume,
      stop: pause,
      restart: () => {
        leftMs = options.hangMs;
      },
    };
  }

  return {
    start() {
      if (isWanted) return;
      isWanted = true;
      life = live();
    },
    async stop() {
      isWanted = false;
      if (phase.tag === "waiting") phase.wake();
      if (phase.tag === "running") endGroup(phase.child, options);
      await life;
    },
    status: () => ({ state: phase.tag, problem, starts }),
  };
}

/** The daemon's, but for what the service manager says to it alone. @see sd_notify(3), sd_listen_fds(3) */
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NOTIFY_|WATCHDOG_|LISTEN_)/.test(name)));

/** There are too many open files, for one. */
const cannotStart = (cause: unknown): Ending => ({
  problem: new LichenError("PROGRAM_FAILED", { found: String(cause), cause }),
  wasUseful: false,
  lastedMs: 0,
});

type GroupOptions = Pick<ProgramOptions, "clock" | "graceMs">;

/** How it ended. Once it is gone, so is its process group: whoever is left in it could hold its pipes open for ever. */
async function endOf(child: Child, options: GroupOptions): Promise<string> {
  let how = "";
  child.once("error", (error) => {
    how ||= error.message;
  });
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.once("exit", (code, signal) => {
    how ||= signal === null ? `exit code ${code}` : `signal ${signal}`;
    endGroup(child, options);
  });
  await closed;
  return how;
}

/** Asked to end, then made to. */
function endGroup(child: Child, { clock, graceMs }: GroupOptions): void {
  signalGroup(child, "SIGTERM");
  const callOff = clock.after(graceMs, () => signalGroup(child, "SIGKILL"));
  child.once("close", callOff);
}

function signalGroup(child: Child, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Nobody is left in it.
  }
}

/** The end of what a program says on stderr, in one line. */
function tailOf(stderr: Readable): () => string {
  let tail = "";
  stderr.setEncoding("utf8");
  stderr.on("data", (text: string) => {
    tail = (tail + text).slice(-STDERR_TAIL);
  });
  stderr.on("error", () => undefined);
  // A terminal would act on control characters.
  return () => tail.replace(/\p{Cc}+/gu, " ").trim();
}

/** Waits out the second in which too much came. */
function createThrottle({ maxBytesPerSecond, clock }: ProgramOptions): (bytes: number) => Promise<void> {
  let startMs = clock.monotonicMs();
  let read = 0;
  return async (bytes) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - startMs >= 1000) {
      startMs = nowMs;
      read = 0;
    }
    read += bytes;
    if (read > maxBytesPerSecond) await new Promise<void>((go) => clock.after(startMs + 1000 - nowMs, go));
  };
}
