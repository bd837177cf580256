import { type ErrorCode, errorCode } from "../../runtime/errors.ts";
import { DaemonRefusal } from "./refusal.ts";

/** Exit codes of both commands, for scripts. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  interrupted: 130,
} as const;

/** What each says: of `--help` and of the README. */
export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: "done; of adapt --model also where the gate refuses what was learnt, of top and logs --follow that they were left",
  failed:
    "refused or failed, the message begins with a stable code; of adapt, that what was learnt does not serve; of doctor, that there is a problem",
  usage: "the command or the configuration is wrong",
  unreachable: "no daemon answers, or not yet",
  // As shells know it: 128 and the number of SIGINT. A second signal ends the process itself.
  interrupted: "stopped by Ctrl-C or SIGTERM",
};

const CODES: Readonly<Record<string, number>> = {
  BAD_ARGUMENT: EXIT.usage,
  BAD_CONFIG: EXIT.usage,
  DAEMON_NOT_REACHABLE: EXIT.unreachable,
  DAEMON_STARTING: EXIT.unreachable,
} satisfies Partial<Record<ErrorCode, number>>;

export function exitCodeOf(error: unknown): number {
  if (error instanceof DaemonRefusal) return CODES[error.code] ?? EXIT.failed;
  // What is cancelled here was cancelled by a signal; what the daemon has cancelled is a failure to whoever asked for it.
  if (errorCode(error) === "CANCELLED") return EXIT.interrupted;
  return CODES[errorCode(error)] ?? EXIT.failed;
}
