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
} as const;

const CODES: Readonly<Record<string, number>> = {
  BAD_ARGUMENT: EXIT.usage,
  BAD_CONFIG: EXIT.usage,
  DAEMON_NOT_REACHABLE: EXIT.unreachable,
  DAEMON_STARTING: EXIT.unreachable,
} satisfies Partial<Record<ErrorCode, number>>;

export const exitCodeOf = (error: unknown): number =>
  CODES[error instanceof DaemonRefusal ? error.code : errorCode(error)] ?? EXIT.failed;
