import type { Logger } from "pino";
import { LichenError } from "../runtime/errors.ts";
import type { HttpConfig } from "./api/config.ts";
import type { Door } from "./api/door.ts";
import { httpListener, type Listener, persistently } from "./api/listener.ts";
import { problem } from "./api/problem.ts";
import { createApi } from "./api/routes.ts";
import type { ServiceBoard } from "./api/service-routes.ts";
import { type SocketServer, socketServer } from "./api/socket.ts";
import type { Clock } from "./clock.ts";
import type { Station } from "./station.ts";

export interface DaemonParts {
  /** Path of the Unix socket. */
  readonly socket: string;
  /** HTTP over the network, where it is wanted. */
  readonly http?: HttpConfig;
  /** The first one answers who names none. */
  readonly stations: readonly Station[];
  readonly clock: Clock;
  readonly log: Logger;
  /** What is asked of the daemon as a whole. */
  readonly service?: ServiceBoard;
}

export interface Daemon {
  /** @throws SOCKET_IN_USE, SOCKET_PATH_TOO_LONG, STORAGE_FAILED */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Where it listens on the network, once it has started. */
  address(): { readonly host: string; readonly port: number } | undefined;
}

/** What `lichend` is: stations behind one door. */
export function createDaemon({ socket, http, stations, clock, log, service }: DaemonParts): Daemon {
  const boards = new Map(stations.map(({ name, board }) => [name, board]));
  let running = false;
  const starting = () => Response.json(problem(new LichenError("DAEMON_STARTING")), { status: 503 });
  const door = (from: Door) => {
    const api = createApi(boards, from, service);
    return (request: Request) => (running ? api.fetch(request) : starting());
  };
  const server: SocketServer = socketServer(socket, door("socket"));
  const listener: Listener | undefined = http && persistently(httpListener(http, door("http")), { clock, log });

  return {
    async start() {
      // First of all: whoever holds the socket owns the data folder.
      await server.start();
      await listener?.start();
      for (const station of stations) await station.start();
      running = true;
      log.info({ models: stations.map(({ name }) => name), socket }, "lichend runs");
    },
    async stop() {
      running = false;
      await listener?.stop();
      for (const station of stations) await station.stop();
      await server.stop();
      log.info("lichend stopped");
    },
    address: () => listener?.address(),
  };
}
