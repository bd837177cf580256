import { access, constants } from "node:fs/promises";
import type { Status } from "../api/schemas.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { AliveFacts } from "./alive.ts";
import type { LiveConfig } from "./live.ts";
import { monotonicMicroseconds, type Notifier } from "./notify.ts";
import { createWatchdog } from "./watchdog.ts";

/** What the service manager and the daemon have to say to each other. */
export interface Service {
  /** The daemon is at work: from now on the watchdog is fed. */
  ready(): Promise<void>;
  stopping(): Promise<void>;
  /** As on SIGHUP. */
  reload(): Promise<void>;
}

export interface ServiceParts {
  readonly notifier: Notifier;
  readonly log: Log;
  readonly clock: Clock;
  readonly live: LiveConfig;
  readonly stations: readonly {
    readonly board: { status(): Status };
    work(): Pick<AliveFacts, "inferenceMs" | "sources">;
  }[];
}

export function createService({ notifier, log: { logger, setLevel }, clock, live, stations }: ServiceParts): Service {
  const watchdog = createWatchdog({
    clock,
    everyMs: (notifier.watchdogMs ?? UNWATCHED_MS) / 2,
    work: () => together(stations.map((station) => station.work())),
    // Asks without writing: twice a minute for years is wear.
    askDisk: () => access(live.board().data, constants.W_OK),
    feed: () => void notifier.tell({ tag: "watchdog" }, status()),
    onChange: ({ alive }, message) => logger[alive ? "info" : "error"](message),
  });

  /** What `systemctl status` shows. */
  const status = () =>
    ({ tag: "status", text: stations.map(({ board }) => inWords(board.status())).join("; ") }) as const;

  let isReady = false;

  return {
    async ready() {
      isReady = true;
      watchdog.start();
      await notifier.tell({ tag: "ready" }, status());
    },
    async stopping() {
      watchdog.stop();
      await notifier.tell({ tag: "stopping" });
    },
    async reload() {
      // Before the start is over, `ready` would be untrue.
      if (isReady) await notifier.tell({ tag: "reloading", monotonicMicroseconds: monotonicMicroseconds() });
      try {
        const { level, message } = await live.reload();
        setLevel(live.board().log.level);
        logger[level](message);
      } finally {
        if (isReady) await notifier.tell({ tag: "ready" }, status());
      }
    },
  };
}

/** Where nobody waits for the watchdog, what it sees is logged all the same. */
const UNWATCHED_MS = 60_000;

const together = (works: readonly Pick<AliveFacts, "inferenceMs" | "sources">[]) => ({
  inferenceMs: works.reduce<number | null>(
    (longest, { inferenceMs }) => (inferenceMs === null ? longest : Math.max(longest ?? 0, inferenceMs)),
    null,
  ),
  sources: works.flatMap(({ sources }) => sources),
});

const inWords = ({ model, adapter, inferences, samples, round, problems }: Status): string =>
  [
    `${model.id} with ${adapter.serving === null ? "no adapter" : `adapter ${adapter.serving.slice(0, 12)}`}`,
    `${inferences} inferences`,
    `${samples.total} samples`,
    `round ${round.state}`,
    ...(problems.length > 0 ? [`${problems.length} problems, see lichen status`] : []),
  ].join(", ");
