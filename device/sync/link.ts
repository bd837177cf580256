import type { LichenError } from "../../runtime/errors.ts";
import { type Backoff, backoffMs } from "./backoff.ts";
import {
  type Attempt,
  type Connection,
  type ConnectionOptions,
  type EndingKind,
  type MqttVersion,
  openConnection,
} from "./connection.ts";

export interface LinkPorts {
  /** Options of the next attempt; the link itself chooses the version. */
  options(): Omit<ConnectionOptions, "version">;
  backoff: Backoff;
  /** How long a leave-taking may last. */
  leaveMs: number;
  up(connection: Connection): void;
  /** As in `ConnectionEvents`, like `take`. */
  message?(topic: string, payload: Uint8Array): void;
  take?(topic: string, payload: Uint8Array, retained: boolean): Promise<void>;
  down(error: LichenError, kind: EndingKind): void;
  random(): number;
  nowMs(): number;
}

export interface LinkStatus {
  readonly connected: boolean;
  /** Since when it is so, on the clock of `nowMs`. */
  readonly sinceMs: number;
  readonly protocol: "3.1.1" | "5" | null;
  /** Failed attempts in a row. */
  readonly failures: number;
  readonly lastError: { code: string; message: string; atMs: number } | null;
  /** On the wire since the start, MQTT's own bytes included. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** A connection that is always wanted: it comes back after every end, until it is stopped. */
export interface Link {
  start(): void;
  /** @param farewell what to say before the connection is closed, when there is one. */
  stop(farewell?: (connection: Connection) => Promise<void>): Promise<void>;
  /** undefined while there is no connection. */
  connection(): Connection | undefined;
  status(): LinkStatus;
}

type Up = { tag: "up"; attempt: Attempt; connection: Connection };
type Phase =
  | { tag: "stopped" }
  | { tag: "waiting"; timer: NodeJS.Timeout }
  | { tag: "connecting"; attempt: Attempt }
  | Up;

/** What a failed attempt says about the version to try next; which of them is right is known only by trying. */
export const versionAfter = (version: MqttVersion, ending: EndingKind): MqttVersion =>
  ending === "version" ? (version === 5 ? 4 : 5) : version;

export function createLink(ports: LinkPorts): Link {
  let phase: Phase = { tag: "stopped" };
  let version: MqttVersion = 5;
  let failures = 0;
  let sinceMs = ports.nowMs();
  let lastError: LinkStatus["lastError"] = null;
  const past = { sent: 0, received: 0 };

  function tryOnce(): void {
    const attempt = openConnection(
      { ...ports.options(), version },
      {
        up(connection) {
          failures = 0;
          sinceMs = ports.nowMs();
          phase = { tag: "up", attempt, connection };
          ports.up(connection);
        },
        ...(ports.message && { message: ports.message }),
        ...(ports.take && { take: ports.take }),
        down({ kind, error }) {
          const traffic = attempt.traffic();
          past.sent += traffic.sent;
          past.received += traffic.received;
          if (phase.tag === "stopped") return;
          if (phase.tag === "up") sinceMs = ports.nowMs();
          lastError = { code: error.code, message: error.message, atMs: ports.nowMs() };
          failures++;
          version = versionAfter(version, kind);
          // Only the first hang-up is answered at once: a broker that refuses both versions must not be hammered.
          const waitMs = kind === "version" && failures === 1 ? 0 : backoffMs(failures, ports.random(), ports.backoff);
          phase = { tag: "waiting", timer: setTimeout(tryOnce, waitMs) };
          ports.down(error, kind);
        },
      },
    );
    phase = { tag: "connecting", attempt };
  }

  /** A broker that does not answer must not hold up a stop; it will publish the Will. */
  async function leave(
    { attempt, connection }: Up,
    farewell: ((connection: Connection) => Promise<void>) | undefined,
  ): Promise<void> {
    const timer = setTimeout(() => attempt.abort(), ports.leaveMs);
    await farewell?.(connection).catch(() => undefined);
    await attempt.end();
    clearTimeout(timer);
  }

  return {
    start() {
      if (phase.tag === "stopped") tryOnce();
    },
    async stop(farewell) {
      const before = phase;
      phase = { tag: "stopped" };
      if (before.tag === "waiting") clearTimeout(before.timer);
      if (before.tag === "connecting") before.attempt.abort();
      if (before.tag === "up") await leave(before, farewell);
    },
    connection: () => (phase.tag === "up" ? phase.connection : undefined),
    status() {
      const live =
        phase.tag === "up" || phase.tag === "connecting" ? phase.attempt.traffic() : { sent: 0, received: 0 };
      return {
        connected: phase.tag === "up",
        sinceMs,
        protocol: phase.tag === "up" ? (phase.connection.version === 5 ? "5" : "3.1.1") : null,
        failures,
        lastError,
        bytesSent: past.sent + live.sent,
        bytesReceived: past.received + live.received,
      };
    },
  };
}
