import type { IncomingMessage, ServerResponse } from "node:http";

/** Answers a request. */
export type Fetch = (request: Request) => Response | Promise<Response>;

/**
 * Node's requests, answered as the standard's. Those come with a client of their own and its compiled parser, 10 MB in all, when
 * they are first spoken of: a board that nobody asks does without.
 */
export function requestListener(fetch: Fetch): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  let loading: Promise<(request: IncomingMessage, response: ServerResponse) => Promise<void>> | undefined;
  return async (request, response) => {
    // It puts a Request of its own in place of the global one, without which Hono cannot bound a body of unknown length.
    loading ??= import("@hono/node-server").then(({ getRequestListener }) => getRequestListener(fetch));
    const answer = await loading;
    await answer(request, response);
  };
}
