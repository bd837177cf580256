import type { Logger } from "pino";
import { LichenError } from "../runtime/errors.ts";
import { createApi, problem } from "./api/routes.ts";
import { type SocketServer, socketServer } from "./api/socket.ts";
import type { Station } from "./station.ts";

export interface DaemonParts {
  /** Path of the Unix socket. */
  readonly socket: string;
  /** The first one answers who names none. */
  readonly stations: readonly Station[];
  readonly log: Logger;
}

export interface Daemon {
  /** @throws SOCKET_IN_USE, SOCKET_PATH_TOO_LONG, STORAGE_FAILED */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What `lichend` is: stations behind one door. */
export function createDaemon({ socket, stations, log }: DaemonParts): Daemon {
  const api = createApi(new Map(stations.map(({ name, board }) => [name, board])));
  let running = false;
  const starting = () => Response.json(problem(new LichenError("DAEMON_STARTING")), { status: 503 });
  const server: SocketServer = socketServer(socket, (request) => (running ? api.fetch(request) : starting()));

  return {
    async start() {
      // First of all: whoever holds the socket owns the data folder.
      await server.start();
      for (const station of stations) await station.start();
      running = true;
      log.info({ models: stations.map(({ name }) => name), socket }, "lichend runs");
    },
    async stop() {
      running = false;
      for (const station of stations) await station.stop();
      await server.stop();
      log.info("lichend stopped");
    },
  };
}
