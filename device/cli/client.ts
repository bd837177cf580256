import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import type * as z from "zod";
import { LichenError } from "../../runtime/errors.ts";
import { errorSchema } from "../api/schemas.ts";
import { DaemonRefusal } from "./refusal.ts";

/** Bytes, a file that is read as it is sent, or what is sent as JSON. */
export type Body = Uint8Array | Readable | object;

/** The daemon at the other end of a socket. Every call throws DaemonRefusal, or DAEMON_NOT_REACHABLE. */
export interface Client {
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  post<T>(path: string, schema: z.ZodType<T>, body?: Body): Promise<T>;
  /** An answer that is a file, as it comes; it breaks off with an error when the daemon goes away. */
  download(path: string, body: Body): Promise<Readable>;
  /** One value for each line of the answer, as it comes. */
  follow<T>(path: string, schema: z.ZodType<T>): AsyncIterable<T>;
}

/**
 * @param model which of the daemon's models is meant; without it the first
 * @param answerMs how long what only looks may take
 */
export function createClient(socket: string, model?: string, answerMs = ANSWER_MS): Client {
  const addressed = (path: string) =>
    model === undefined ? path : `${path}${path.includes("?") ? "&" : "?"}model=${encodeURIComponent(model)}`;
  const call = async (method: "GET" | "POST", path: string, body?: Body) => {
    const response = await send(socket, method, addressed(path), body, method === "GET" ? answerMs : 0);
    if (response.statusCode !== undefined && response.statusCode < 300) return response;
    const refusal = errorSchema.safeParse(parseJson(await text(response)));
    throw refusal.success
      ? new DaemonRefusal(refusal.data.code, refusal.data.message)
      : new DaemonRefusal("BAD_REQUEST", `the daemon answered ${response.statusCode} to ${method} ${path}`);
  };
  return {
    get: async (path, schema) => schema.parse(parseJson(await text(await call("GET", path)))),
    post: async (path, schema, body) => schema.parse(parseJson(await text(await call("POST", path, body)))),
    download: (path, body) => call("POST", path, body),
    async *follow(path, schema) {
      for await (const line of lines(await call("POST", path), socket)) yield schema.parse(parseJson(line));
    },
  };
}

/** What only looks is answered at once, or the daemon hangs; what does something may take its time. */
const ANSWER_MS = 20_000;

function send(
  socketPath: string,
  method: string,
  path: string,
  body: Body = new Uint8Array(),
  timeout = 0,
): Promise<IncomingMessage> {
  return new Promise((answered, failed) => {
    const bytes =
      body instanceof Readable ? null : body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
    const headers = bytes === null ? {} : { "content-length": bytes.length };
    // A connection of its own: one that is kept may be closed by the daemon just as a slow board's client sends on it again.
    const outgoing = request({ socketPath, method, path, headers, timeout, agent: false });
    outgoing.once("timeout", () => outgoing.destroy(new Error(`no answer in ${timeout / 1000} s`)));
    outgoing.once("response", answered);
    outgoing.once("error", (cause) =>
      failed(new LichenError("DAEMON_NOT_REACHABLE", { at: socketPath, found: cause.message, cause })),
    );
    if (bytes !== null) outgoing.end(bytes);
    else (body as Readable).once("error", (error) => outgoing.destroy(error)).pipe(outgoing);
  });
}

/** @throws DAEMON_NOT_REACHABLE when the daemon goes away before its answer is whole */
async function* lines(response: IncomingMessage, socket: string): AsyncIterable<string> {
  let rest = "";
  try {
    for await (const chunk of response.setEncoding("utf8")) {
      const parts = `${rest}${chunk}`.split("\n");
      rest = parts.pop()!;
      yield* parts;
    }
  } catch (cause) {
    throw new LichenError("DAEMON_NOT_REACHABLE", { at: socket, found: "it went away in mid-answer", cause });
  }
}

async function text(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** @returns undefined for what is no JSON; the schema that follows says what was wanted. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
