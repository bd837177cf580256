import type { Hono } from "hono";
import { LichenError } from "../../runtime/errors.ts";
import { CONTENT_TYPE } from "../operation/exposition.ts";
import { LEVELS } from "../operation/logs/record.ts";
import type { LogRing } from "../operation/logs/ring.ts";
import type { BoardAnswer, LogsAnswer } from "./schemas.ts";

/** What the API can ask of the daemon as a whole. */
export interface ServiceBoard {
  readonly ring: LogRing;
  /** In Prometheus' text format; absent unless the configuration wants it. */
  readonly metrics?: () => Promise<string>;
  /** What the daemon runs on. */
  readonly facts?: () => Promise<BoardAnswer>;
}

/** Routes that are about no one model. */
export function addServiceRoutes(app: Hono, { ring, metrics, facts }: ServiceBoard): void {
  app.get("/v1/logs", (c) => {
    const level = levelOf(c.req.query("level") ?? "trace");
    const last = countOf("last", c.req.query("last") ?? "100");
    const after = c.req.query("after");
    const records = ring
      .records({ level, last, after: after === undefined ? after : countOf("after", after) })
      .map(({ level, time, msg, code }) => ({
        level: LEVELS[level] ?? String(level),
        time: new Date(time).toISOString(),
        message: msg,
        ...(code !== undefined && { code }),
      }));
    return c.json({ schema: "lichen/logs/1", records, next: ring.added() } satisfies LogsAnswer);
  });
  if (facts !== undefined) app.get("/v1/board", async (c) => c.json(await facts()));
  if (metrics !== undefined) {
    app.get("/metrics", async (c) => c.body(await metrics(), 200, { "content-type": CONTENT_TYPE }));
  }
}

function levelOf(name: string): number {
  const found = Object.entries(LEVELS).find(([, level]) => level === name);
  if (found !== undefined) return Number(found[0]);
  throw new LichenError("BAD_REQUEST", { at: "level", found: name, wanted: Object.values(LEVELS).join(", ") });
}

function countOf(at: string, text: string): number {
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new LichenError("BAD_REQUEST", { at, found: text, wanted: "a count of records" });
}
