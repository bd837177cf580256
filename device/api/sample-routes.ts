import type { Context } from "hono";
import * as z from "zod";
import { LichenError } from "../../runtime/errors.ts";
import { labelRequestSchema } from "../labels/request.ts";
import type { Curator } from "../samples/curator.ts";
import { selectorSchema } from "../samples/selector.ts";
import type { Door } from "./door.ts";
import { problem } from "./problem.ts";

interface HasCurator {
  readonly curator: Curator;
}

/** An archive is read as it comes, however long it is; each of its files is bounded. */
export const UNBOUNDED_PATHS: ReadonlySet<string> = new Set(["/v1/samples/import"]);

/** What is done with samples that are there; rows as those of `routes.ts`. */
export const SAMPLE_ROUTES = [
  ["POST", "/v1/labels", (board, c, from) => label(board, c, from)],
  ["POST", "/v1/samples/export", (board, c) => exported(board, c)],
  ["POST", "/v1/samples/import", (board, c) => imported(board, c)],
  ["POST", "/v1/samples/purge", (board, c) => purged(board, c)],
] as const satisfies readonly (readonly [
  method: "POST",
  path: string,
  answer: (board: HasCurator, context: Context, from: Door) => Promise<Response>,
])[];

async function label({ curator }: HasCurator, c: Context, from: Door): Promise<Response> {
  const request = await parsed(c, labelRequestSchema);
  const samples = await curator.label(request, from === "socket" ? "person" : "http");
  return c.json({ schema: "lichen/labelled/1", samples });
}

async function exported({ curator }: HasCurator, c: Context): Promise<Response> {
  const archive = curator.export(await parsed(c, selectorSchema));
  return c.body(archive, 200, { "content-type": "application/x-tar" });
}

async function imported({ curator }: HasCurator, c: Context): Promise<Response> {
  if (c.req.raw.body === null) throw new LichenError("BAD_REQUEST", { at: c.req.path, wanted: "a tar archive" });
  const { refused, ...counts } = await curator.import(c.req.raw.body);
  const told = refused.map(({ file, error }) => ({ file, error: problem(error) }));
  return c.json({ schema: "lichen/imported/1", ...counts, refused: told });
}

const purgeRequestSchema = z.strictObject({ select: selectorSchema, dryRun: z.boolean().default(false) });

async function purged({ curator }: HasCurator, c: Context): Promise<Response> {
  const { select, dryRun } = await parsed(c, purgeRequestSchema);
  if (!dryRun) return c.json({ schema: "lichen/purged/1", dryRun, ...(await curator.purge(select)) });
  const doomed = curator.selected(select);
  const bytes = doomed.reduce((sum, sample) => sum + sample.bytes, 0);
  return c.json({ schema: "lichen/purged/1", dryRun, erased: doomed.length, bytes, remarks: [] });
}

/** @throws BAD_REQUEST */
async function parsed<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const result = schema.safeParse(await c.req.json().catch(() => undefined));
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new LichenError("BAD_REQUEST", { at: [c.req.path, ...issue.path].join(" "), wanted: issue.message });
}
