import * as z from "zod";
import { bytes, duration, short } from "./terminal.ts";

const count = z.number();

/** What the status tells of the fleet, as far as the command shows it; a daemon of another version may tell less or more. */
const linkSchema = z.looseObject({
  broker: z.string(),
  connected: z.boolean(),
  /** Moments are in milliseconds, on the clock of `nowMs`. */
  nowMs: count.optional(),
  sinceMs: count.optional(),
  protocol: z.string().nullish(),
  failures: count.optional(),
  lastError: z.looseObject({ code: z.string(), message: z.string(), atMs: count.optional() }).nullish(),
  bytesSent: count.optional(),
  bytesReceived: count.optional(),
  offer: z.looseObject({ sha256: z.string(), version: count, announced: z.boolean() }).nullish(),
  transfer: z.looseObject({ sha256: z.string() }).nullish(),
  results: z.looseObject({ queued: count, dropped: count }).optional(),
  badMessages: count.optional(),
});

type Link = z.infer<typeof linkSchema>;

const linkOf = (status: unknown): Link | null => linkSchema.safeParse(status).data ?? null;

/** In one line. @param status null: no fleet is configured */
export function syncLine(status: Readonly<Record<string, unknown>> | null): string {
  if (status === null) return "no fleet configured";
  const link = linkOf(status);
  if (link === null) return "told in words that this version does not know";
  const offer = link.offer ? `, offers ${short(link.offer.sha256)}` : "";
  return `${connection(link)}${offer}`;
}

/** Row by row, for `facts`. */
export function syncRows(status: Readonly<Record<string, unknown>>): (readonly [string, string])[] {
  const link = linkOf(status);
  if (link === null) return [["fleet", JSON.stringify(status)]];
  const { offer, transfer, results, lastError, bytesSent = 0, bytesReceived = 0, badMessages = 0 } = link;
  return [
    ["broker", link.broker],
    ["state", connection(link)],
    ...(lastError && !link.connected ? [["error", lastError.message] as const] : []),
    [
      "offers",
      offer
        ? `${short(offer.sha256)} (version ${offer.version}), ${offer.announced ? "announced" : "not announced yet"}`
        : "nothing",
    ],
    ["receives", transfer ? transferInWords(transfer) : "nothing"],
    ...(results ? [["results", `${results.queued} waiting, ${results.dropped} dropped`] as const] : []),
    ["traffic", `${bytes(bytesSent)} sent, ${bytes(bytesReceived)} received, since the start`],
    ...(badMessages > 0 ? [["dropped", `${badMessages} messages that do not follow the protocol`] as const] : []),
  ];
}

function connection({ connected, protocol, failures = 0, nowMs, sinceMs, lastError }: Link): string {
  const since = nowMs === undefined || sinceMs === undefined ? "" : ` for ${duration((nowMs - sinceMs) / 1000)}`;
  if (connected) return `connected${since}${protocol ? ` (MQTT ${protocol})` : ""}`;
  return `not connected${since}${failures > 0 ? `, ${failures} tries failed` : ""}${lastError ? `, ${lastError.code}` : ""}`;
}

function transferInWords({ sha256, ...others }: { readonly sha256: string; readonly [fact: string]: unknown }): string {
  const { publisher, received, blocks } = others;
  const share = typeof received === "number" && typeof blocks === "number" ? `, ${received} of ${blocks} blocks` : "";
  return `${short(sha256)}${typeof publisher === "string" ? ` of ${publisher}` : ""}${share}`;
}
