import { createHash, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Logger } from "pino";
import { type ErrorCode, LichenError } from "../../runtime/errors.ts";
import type { Clock } from "../clock.ts";
import { closeServer } from "./close-server.ts";
import { type HttpConfig, isLoopback } from "./config.ts";
import { problem } from "./problem.ts";
import { type Fetch, requestListener } from "./request-listener.ts";

export interface Listener {
  /** @throws PORT_IN_USE */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Where it listens, since it started. */
  address(): { readonly host: string; readonly port: number } | undefined;
}

/**
 * What anybody on this machine may ask for who has no token. Everything else is for the socket, which has an owner and a group, or for
 * those who hold the token.
 */
const WITHOUT_TOKEN: ReadonlySet<string> = new Set(["POST /v1/infer", "POST /v1/samples", "GET /v1/status"]);

const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 5000;

/** HTTP over TCP. Bounded in everything that somebody else decides: bodies, how many at once, connections, time. */
export function httpListener(config: HttpConfig, fetch: Fetch): Listener {
  const requestMs = config.requestSeconds * 1000;
  const server = createServer(
    {
      headersTimeout: Math.min(HEADERS_MS, requestMs),
      requestTimeout: requestMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // How often Node looks for those who are too slow.
      connectionsCheckingInterval: Math.min(1000, requestMs / 2),
    },
    requestListener(guarded(config, fetch).fetch),
  );
  server.maxConnections = config.maxConnections;

  return {
    start: () =>
      new Promise((resolve, reject) => {
        const refused = (cause: NodeJS.ErrnoException) =>
          reject(new LichenError("PORT_IN_USE", { at: `${config.host}:${config.port}`, found: cause.message, cause }));
        server.once("error", refused);
        server.listen(config.port, config.host, () => {
          server.off("error", refused);
          resolve();
        });
      }),
    stop: () => closeServer(server),
    address() {
      const found = server.address();
      return found === null || typeof found === "string" ? undefined : { host: found.address, port: found.port };
    },
  };
}

const RETRY_MS = 10_000;

/** Keeps trying: at boot the network may come later, and a port that is taken is no reason for a board not to do its work. */
export function persistently(listener: Listener, { clock, log }: { clock: Clock; log: Logger }): Listener {
  let callOff: (() => void) | undefined;
  let isWanted = false;

  async function tryToStart(): Promise<void> {
    try {
      await listener.start();
      log.info({ http: listener.address() }, "HTTP is listened to");
    } catch (error) {
      const { code, message } = problem(error);
      log.error({ code, againInMs: RETRY_MS }, message);
      if (isWanted) callOff = clock.after(RETRY_MS, () => void tryToStart());
    }
  }

  return {
    ...listener,
    async start() {
      isWanted = true;
      await tryToStart();
    },
    async stop() {
      isWanted = false;
      callOff?.();
      await listener.stop();
    },
  };
}

/** Who may come in, and with how much. */
function guarded(config: HttpConfig, fetch: Fetch): Hono {
  const app = new Hono();
  let uploads = 0;

  app.use(async (c, next) => {
    const refusal = refusalOf(config, c);
    if (refusal !== undefined) return refuse(c, refusal.status, "UNAUTHORIZED", refusal.found);
    if (c.req.raw.body === null) return next();
    if (uploads >= config.maxUploads) {
      c.header("Retry-After", "1");
      return refuse(c, 503, "TOO_MANY_UPLOADS", `${uploads}`);
    }
    uploads++;
    try {
      await next();
    } finally {
      uploads--;
    }
  });
  app.use(
    bodyLimit({
      maxSize: config.maxBodyBytes,
      onError: (c) => refuse(c, 413, "BAD_REQUEST", `a body over ${config.maxBodyBytes} bytes`),
    }),
  );
  app.all("*", (c) => fetch(c.req.raw));
  app.onError((error, c) => c.json(problem(error), 500));
  return app;
}

interface Refusal {
  readonly status: 401 | 403;
  readonly found: string;
}

function refusalOf({ host, token }: HttpConfig, c: Context): Refusal | undefined {
  const asked = c.req.header("host") ?? "";
  // A page of another site may send requests from a browser on this machine. It cannot hide where it comes from …
  const origin = c.req.header("origin");
  if (origin !== undefined && origin !== `http://${asked}`) return { status: 403, found: `origin ${origin}` };
  // … nor, having its name point here (DNS rebinding), under which name it thinks to have found us.
  if (isLoopback(host) && !isLoopback(hostName(asked))) return { status: 403, found: `host ${asked}` };
  if (token === undefined) {
    const request = `${c.req.method} ${c.req.path}`;
    return WITHOUT_TOKEN.has(request) ? undefined : { status: 403, found: `${request} without a token` };
  }
  const given = /^Bearer (.+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  return given !== undefined && isSame(given, token) ? undefined : { status: 401, found: "no valid token" };
}

/** Of a Host header, without the port. */
const hostName = (host: string): string => host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");

/** In the same time whatever is given. */
function isSame(given: string, wanted: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(wanted));
}

function refuse(c: Context, status: 401 | 403 | 413 | 503, code: ErrorCode, found: string): Response {
  if (status === 401) c.header("WWW-Authenticate", "Bearer");
  return c.json(problem(new LichenError(code, { at: `${c.req.method} ${c.req.path}`, found })), status);
}
