import { chmod, lstat, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { LichenError } from "../../runtime/errors.ts";
import { makeFolders } from "../disk/make-folder.ts";
import { closeServer } from "./close-server.ts";
import { type Fetch, requestListener } from "./request-listener.ts";

/** `sun_path` of Linux holds 108 bytes, the closing zero among them (unix(7)). */
const MAX_PATH_BYTES = 107;

export interface SocketServer {
  /** @throws SOCKET_PATH_TOO_LONG, SOCKET_IN_USE */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** HTTP on a Unix socket that the daemon's own user and group may use. */
export function socketServer(path: string, fetch: Fetch): SocketServer {
  const server = createServer(requestListener(fetch));
  return {
    async start() {
      const bytes = Buffer.byteLength(path);
      if (bytes > MAX_PATH_BYTES) {
        throw new LichenError("SOCKET_PATH_TOO_LONG", {
          at: path,
          found: `${bytes} bytes`,
          wanted: `${MAX_PATH_BYTES}`,
        });
      }
      await makeFolders(dirname(path));
      await removeStale(path);
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(path, resolve);
      });
      await chmod(path, 0o660);
    },
    stop: () => closeServer(server),
  };
}

/** What a killed daemon left behind goes; a socket that somebody answers on stays, and so does any other file. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new LichenError("SOCKET_IN_USE", { at: path, found: "a file that is no socket" });
  if (await isAnswering(path)) throw new LichenError("SOCKET_IN_USE", { at: path });
  await rm(path, { force: true });
}

const isAnswering = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
