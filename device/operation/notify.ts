import { execFile } from "node:child_process";

/**
 * What the service manager is told, sd_notify(3). Node has no datagram sockets of the Unix family, and every package that adds them wants
 * a compiler on the board. `systemd-notify` is wherever systemd is; starting it costs a few milliseconds, which the watchdog pays twice a
 * minute. It waits until systemd has read the notice (BARRIER=1, systemd 246), so that none is lost for its sender being gone. The sender
 * is not the main process: the unit needs `NotifyAccess=all`.
 */
export type Notice =
  | { readonly tag: "ready" }
  | { readonly tag: "status"; readonly text: string }
  | { readonly tag: "watchdog" }
  /** Followed by `ready` when the new configuration is in force. */
  | { readonly tag: "reloading"; readonly monotonicMicroseconds: bigint }
  | { readonly tag: "stopping" };

export interface Notifier {
  /** How often the watchdog wants to hear from this process; null where none waits. */
  readonly watchdogMs: number | null;
  /** Notices of one call arrive together, and those of two calls in their order. Never rejects: what fails is logged. */
  tell(...notices: readonly Notice[]): Promise<void>;
}

export interface NotifierPorts {
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;
  /** Runs a program to its end. */
  readonly run: (program: string, words: readonly string[], env: NodeJS.ProcessEnv) => Promise<void>;
  readonly warn: (message: string) => void;
}

/**
 * A notifier for whoever started this process; without a NOTIFY_SOCKET it is silent. Takes its variables out of the environment: the
 * training process must not speak for the daemon.
 */
export function createNotifier({ env, pid, run, warn }: NotifierPorts): Notifier {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: period, WATCHDOG_PID: watched } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  if (socket === undefined || socket === "") return { watchdogMs: null, tell: async () => {} };

  let last: Promise<void> = Promise.resolve();
  let isFailing = false;

  async function send(notices: readonly Notice[]): Promise<void> {
    try {
      await run("systemd-notify", notices.flatMap(assignments), { PATH: env.PATH, NOTIFY_SOCKET: socket });
      isFailing = false;
    } catch (error) {
      // Said once: a watchdog that is not fed makes itself heard.
      if (!isFailing) warn(`systemd cannot be told anything: ${error instanceof Error ? error.message : error}`);
      isFailing = true;
    }
  }

  return {
    watchdogMs: watchdogMs(period, watched, pid),
    tell(...notices) {
      last = last.then(() => send(notices));
      return last;
    },
  };
}

/** The lines of sd_notify(3). */
export function assignments(notice: Notice): string[] {
  switch (notice.tag) {
    case "ready":
      return ["READY=1"];
    case "status":
      // A line break would begin another assignment.
      return [`STATUS=${notice.text.replaceAll(/\s+/g, " ")}`];
    case "watchdog":
      return ["WATCHDOG=1"];
    case "reloading":
      return ["RELOADING=1", `MONOTONIC_USEC=${notice.monotonicMicroseconds}`];
    case "stopping":
      return ["STOPPING=1"];
  }
}

/** As sd_watchdog_enabled(3) reads it. */
function watchdogMs(period: string | undefined, watched: string | undefined, pid: number): number | null {
  const microseconds = Number(period);
  if (!Number.isInteger(microseconds) || microseconds <= 0) return null;
  return watched === undefined || watched === "" || Number(watched) === pid ? microseconds / 1000 : null;
}

/** A sender that hangs is given up before the next one is due. */
const SEND_TIMEOUT_MS = 10_000;

/** `run` of a real process. */
export const runProgram: NotifierPorts["run"] = (program, words, env) =>
  new Promise((resolve, reject) => {
    execFile(program, words, { env, timeout: SEND_TIMEOUT_MS, killSignal: "SIGKILL" }, (error) =>
      error === null ? resolve() : reject(error),
    );
  });

/** CLOCK_MONOTONIC, which systemd compares with; Node's own high-resolution time reads the same clock on Linux. */
export const monotonicMicroseconds = (): bigint => process.hrtime.bigint() / 1000n;
