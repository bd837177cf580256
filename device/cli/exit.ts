import { type ErrorCode, errorCode } from "../../runtime/errors.ts";
import { DaemonRefusal } from "./client.ts";

/** Exit codes of both commands, for scripts. */
export const EXIT = {
  ok: 0,
  /** The work was refused or failed: the message on stderr says why. */
  failed: 1,
  /** The command or the configuration is wrong. */
  usage: 2,
  /** No daemon answers, or not yet. */
  unreachable: 3,
  /** Stopped by Ctrl-C or SIGTERM, as shells know it: 128 and the number of SIGINT. A second signal ends the process itself. */
  interrupted: 130,
} as const;

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
