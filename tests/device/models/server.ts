import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface TestServer {
  /** Without a slash at its end. */
  readonly address: string;
  readonly requests: IncomingMessage[];
}

/** @param n counts requests from 1 */
export type Answer = (request: IncomingMessage, response: ServerResponse, n: number) => void;

/** A real HTTP server of the test's own. */
export async function startServer(answer: Answer): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response, requests.length);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

export interface Served {
  bytes: Uint8Array;
  headers?: Record<string, string>;
  /** Whether it knows ranges; If-Range is heeded. */
  ranges?: boolean;
  /** Cuts the connection when so many bytes of the body are out. */
  cutAfter?: number;
  /** Falls silent then, with the connection open. */
  silentAfter?: number;
}

/** Answers as a file server does. */
export function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { bytes, headers = {}, ranges = true, cutAfter, silentAfter }: Served,
): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const current = [headers.etag, headers["last-modified"]].includes(request.headers["if-range"]?.toString());
  const partial = ranges && from > 0 && current;
  if (partial && from >= bytes.length) return void response.writeHead(416).end();
  const body = partial ? bytes.subarray(from) : bytes;
  response.writeHead(partial ? 206 : 200, {
    "content-length": body.length,
    ...(partial && { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    ...headers,
  });
  const out = cutAfter ?? silentAfter;
  if (out === undefined) return void response.end(body);
  response.write(body.subarray(0, out), () => {
    // A moment, for what was written to arrive before the cut does.
    if (cutAfter !== undefined) setTimeout(() => response.destroy(), 30);
  });
}
