import { assertWanted, LichenError } from "../../runtime/errors.ts";
import type { Part } from "./part.ts";

/** The network as a download needs it; tests have a short patience. */
export interface Net {
  fetch(address: string, init: RequestInit): Promise<Response>;
  /** How long nothing may come. */
  readonly patienceMs: number;
}

export interface Wanted {
  readonly bytes: number;
  readonly sha256: string;
}

/** How one attempt at one address ended. */
export type Outcome =
  | { readonly tag: "whole" /** From what an earlier attempt had left. */; readonly resumed: boolean }
  /** Worth another attempt at the same address. */
  | {
      readonly tag: "cut";
      readonly reason: string /** There seems to be no network at all. */;
      readonly offline?: true;
    }
  /** Not worth one. */
  | { readonly tag: "refused"; readonly reason: string }
  /** Something else than what was wanted lies there. */
  | { readonly tag: "wrong"; readonly reason: string };

export interface Attempt {
  /** @param bytes that are there by now */
  readonly progress: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Brings a file into a part, going on where an earlier attempt stopped if the server still has the same version. Never writes more
 * than the bytes that are wanted, whatever the server sends. Does not look at the sum.
 * @throws CANCELLED, STORAGE_FAILED; the part stays
 */
export async function download(
  net: Net,
  address: string,
  wanted: Wanted,
  part: Part,
  { progress, signal }: Attempt,
): Promise<Outcome> {
  assertWanted(signal, address);
  const patience = createPatience(net.patienceMs, signal);
  try {
    const known = await part.known(address);
    const resumable = known && known.bytes < wanted.bytes ? known : null;
    const answer = await ask(net, address, patience.signal, resumable);
    if ("tag" in answer) return answer;
    const { response, body } = answer;
    const from = response.status === 206 && resumable ? resumable.bytes : 0;
    const mismatch = sizeMismatch(response, from, wanted.bytes);
    if (mismatch) {
      await body.cancel();
      // A range that was not asked for says nothing about the file: the next attempt asks for the whole.
      if (response.status === 206) await part.begin(null);
      return mismatch;
    }
    if (from === 0) await part.begin(originOf(address, response));
    return await receive(body, from, wanted, part, progress, patience);
  } catch (error) {
    if (error instanceof LichenError) throw error;
    assertWanted(signal, address);
    return patience.signal.aborted ? { tag: "cut", reason: silence(net.patienceMs) } : failure(error);
  } finally {
    patience.stop();
  }
}

async function receive(
  body: ReadableStream<Uint8Array>,
  from: number,
  wanted: Wanted,
  part: Part,
  progress: (bytes: number) => void,
  patience: Patience,
): Promise<Outcome> {
  let position = from;
  for await (const chunk of body) {
    patience.renew();
    if (position + chunk.length > wanted.bytes) {
      await part.begin(null);
      return { tag: "wrong", reason: `more than ${wanted.bytes} bytes` };
    }
    await part.write(chunk, position);
    position += chunk.length;
    progress(position);
  }
  if (position < wanted.bytes) return { tag: "wrong", reason: `a file of ${position} bytes` };
  return { tag: "whole", resumed: from > 0 };
}

const MOST_REDIRECTS = 5;

interface Answer {
  readonly response: Response;
  readonly body: ReadableStream<Uint8Array>;
}

/** Follows redirects by hand: so few of them, and never from https to http. */
async function ask(
  net: Net,
  address: string,
  signal: AbortSignal,
  resumable: { bytes: number; validator: string } | null,
): Promise<Answer | Outcome> {
  const headers = {
    // A body that is unpacked on the way has other positions than the file.
    "accept-encoding": "identity",
    ...(resumable && { range: `bytes=${resumable.bytes}-`, "if-range": resumable.validator }),
  };
  let url = new URL(address);
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const response = await net.fetch(url.href, { headers, signal, redirect: "manual" });
    if ((response.status === 200 || response.status === 206) && response.body) return { response, body: response.body };
    await response.body?.cancel();
    const next = REDIRECTS.has(response.status) ? response.headers.get("location") : null;
    if (next === null) return unusable(response);
    if (!URL.canParse(next, url.href)) return { tag: "refused", reason: `a redirect to «${next}»` };
    const target = new URL(next, url.href);
    if (target.protocol !== "https:" && target.protocol !== url.protocol)
      return { tag: "refused", reason: `a redirect to ${target.protocol}//${target.host}, which is not safe` };
    url = target;
  }
  return { tag: "refused", reason: `more than ${MOST_REDIRECTS} redirects` };
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Too many requests, and what a server says when it is the one in trouble. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What a server says to a range behind the end of what it has: the file has changed. */
const OUT_OF_RANGE = 416;

function unusable({ status, statusText }: Response): Outcome {
  if (status === OUT_OF_RANGE) return { tag: "wrong", reason: "a shorter file than before" };
  const reason = `HTTP ${status}${statusText ? ` ${statusText}` : ""}`;
  return PASSING.has(status) ? { tag: "cut", reason } : { tag: "refused", reason };
}

function sizeMismatch({ status, headers }: Response, from: number, wanted: number): Outcome | null {
  if (status === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ?? [];
    if (from === 0 || Number(start) !== from)
      return { tag: "cut", reason: "another part of the file than was asked for" };
    return total === "*" || Number(total) === wanted ? null : { tag: "wrong", reason: `a file of ${total} bytes` };
  }
  const length = isPacked(headers) ? null : headers.get("content-length");
  return length === null || Number(length) === wanted ? null : { tag: "wrong", reason: `a file of ${length} bytes` };
}

function originOf(address: string, { headers }: Response) {
  if (isPacked(headers)) return null;
  const etag = headers.get("etag");
  const validator = etag !== null && !etag.startsWith("W/") ? etag : headers.get("last-modified");
  return validator === null ? null : { address, validator };
}

/** Some servers do so unasked; `fetch` unpacks it, and neither lengths nor positions are the file's. */
const isPacked = (headers: Headers): boolean => (headers.get("content-encoding") ?? "identity") !== "identity";

interface Patience {
  readonly signal: AbortSignal;
  /** Something came. */
  renew(): void;
  stop(): void;
}

/** A signal that goes off when nothing has come for so long, or when the caller's does. */
function createPatience(ms: number, caller: AbortSignal | undefined): Patience {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), ms);
  return {
    signal: caller ? AbortSignal.any([caller, silence.signal]) : silence.signal,
    renew: () => void timer.refresh(),
    stop: () => clearTimeout(timer),
  };
}

const silence = (ms: number) => `nothing came for ${ms / 1000} s`;

/** Node hides why a request failed in the causes. */
function failure(error: unknown): Outcome {
  if (!(error instanceof Error)) return { tag: "cut", reason: String(error) };
  if (error.cause instanceof Error) return failure(error.cause);
  const { code, message } = error as { code?: unknown; message: string };
  const known = typeof code === "string" && Object.hasOwn(REASONS, code) ? REASONS[code]! : message || String(code);
  return { tag: "cut", reason: known, ...(known === NO_NETWORK && { offline: true }) };
}

const NO_NETWORK = "there is no way there: is there a network?";
const NOBODY = "nobody answers there";
const CUT = "the connection was cut";

const REASONS: Readonly<Record<string, string>> = {
  EAI_AGAIN: NO_NETWORK,
  ECONNREFUSED: NOBODY,
  ECONNRESET: CUT,
  EHOSTUNREACH: NO_NETWORK,
  ENETUNREACH: NO_NETWORK,
  ENOTFOUND: NO_NETWORK,
  UND_ERR_CONNECT_TIMEOUT: NOBODY,
  UND_ERR_SOCKET: CUT,
};
