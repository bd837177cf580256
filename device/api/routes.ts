import { createHash } from "node:crypto";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { stream } from "hono/streaming";
import { type ErrorCode, errorCode, LichenError } from "../../runtime/errors.ts";
import { listed } from "../../runtime/listed.ts";
import type { JobProgress } from "../rounds/job-messages.ts";
import type { Round } from "../rounds/record.ts";
import type { Curator } from "../samples/curator.ts";
import { type Inference, MAX_FILE_BYTES, type SourceFile } from "../sources/source.ts";
import type { Door } from "./door.ts";
import { problem } from "./problem.ts";
import { SAMPLE_ROUTES, UNBOUNDED_PATHS } from "./sample-routes.ts";
import type { SamplesAnswer } from "./sample-schemas.ts";
import type { AdaptersAnswer, RollbackAnswer, RoundEvent, Status, UseAnswer, WhyAnswer } from "./schemas.ts";
import { addServiceRoutes, type ServiceBoard } from "./service-routes.ts";
import { answerEach, eachOf, filesOf, isMultipart } from "./uploads.ts";

/** What the API can ask of one model at work. */
export interface Board {
  status(): Status;
  /** Resolves when the sample is on the medium. @param label null: nobody has said yet */
  sample(file: SourceFile, label: string | null): Promise<void>;
  /** @param from who asks: clients of one door share a place in line */
  infer(file: SourceFile, from: Door): Promise<Inference>;
  samples(): SamplesAnswer;
  readonly curator: Curator;
  adapters(): AdaptersAnswer;
  rounds(): readonly Round[];
  /** Why a round runs, waits or pauses, what came of the last one, and what is out of service. */
  why(): Promise<WhyAnswer>;
  /** @throws ROUND_RUNNING, TOO_FEW_SAMPLES */
  adapt(onProgress: (progress: JobProgress) => void): Promise<Round>;
  /** @throws NOTHING_TO_ROLL_BACK */
  rollBack(): Promise<RollbackAnswer>;
  /** @param name of an adapter, or its beginning; `base`; or `auto`, which lets go.  @throws ADAPTER_NOT_HELD */
  use(name: string): Promise<UseAnswer>;
}

type Route = readonly [
  method: "GET" | "POST",
  path: string,
  answer: (board: Board, context: Context, from: Door) => Promise<Response> | Response,
];

const ROUTES: readonly Route[] = [
  ["GET", "/v1/status", (board, c) => c.json(board.status())],
  ["GET", "/v1/samples", (board, c) => c.json(board.samples())],
  ["GET", "/v1/adapters", (board, c) => c.json(board.adapters())],
  ["GET", "/v1/rounds", (board, c) => c.json({ schema: "lichen/rounds/1", rounds: board.rounds() })],
  ["GET", "/v1/why", async (board, c) => c.json(await board.why())],
  ["GET", "/v1/rounds/:id", (board, c) => oneRound(board, c)],
  ["POST", "/v1/samples", (board, c) => store(board, c)],
  ...SAMPLE_ROUTES,
  ["POST", "/v1/infer", (board, c, from) => infer(board, c, from)],
  ["POST", "/v1/adapt", (board, c) => adapt(board, c)],
  ["POST", "/v1/rollback", async (board, c) => c.json(await board.rollBack())],
  ["POST", "/v1/use", async (board, c) => c.json(await board.use(c.req.query("adapter") ?? ""))],
];

/** Codes that are not plain bad input. */
const STATUSES: Partial<Record<ErrorCode | "INTERNAL", 404 | 409 | 413 | 500 | 503>> = {
  ADAPTER_NOT_HELD: 404,
  ADAPTER_PINNED: 409,
  CANCELLED: 503,
  DAEMON_STARTING: 503,
  INTERNAL: 500,
  NOTHING_TO_ROLL_BACK: 409,
  NO_SUCH_MODEL: 404,
  NO_SUCH_SAMPLE: 404,
  QUEUE_FULL: 503,
  ROUND_CRASHED: 500,
  ROUND_HUNG: 500,
  ROUND_RUNNING: 409,
  STORAGE_FAILED: 503,
  TOO_FEW_SAMPLES: 409,
};

/** By the names of their models; the first one answers who names none. */
export type Boards = ReadonlyMap<string, Board>;

/** The daemon's HTTP API; `?model=` says which model is meant. Errors are `{code, message}`. */
export function createApi(boards: Boards, from: Door = "socket", service?: ServiceBoard): Hono {
  const app = new Hono();
  const limit = bodyLimit({
    maxSize: MAX_FILE_BYTES,
    onError: (c) =>
      c.json({ code: "BAD_REQUEST", message: `BAD_REQUEST: the body is over ${MAX_FILE_BYTES} bytes.` }, 413),
  });
  app.use((c, next) => (UNBOUNDED_PATHS.has(c.req.path) ? next() : limit(c, next)));
  for (const [method, path, answer] of ROUTES)
    app.on(method, path, (context) => answer(boardOf(boards, context), context, from));
  if (service !== undefined) addServiceRoutes(app, service);
  app.notFound((c) => c.json(problem(new LichenError("BAD_REQUEST", { at: `${c.req.method} ${c.req.path}` })), 404));
  app.onError((error, c) => c.json(problem(error), STATUSES[errorCode(error)] ?? 400));
  return app;
}

/** @throws NO_SUCH_MODEL */
function boardOf(boards: Boards, c: Context): Board {
  const names = [...boards.keys()];
  const name = c.req.query("model") ?? names[0]!;
  const board = boards.get(name);
  if (board === undefined) throw new LichenError("NO_SUCH_MODEL", { found: name, wanted: listed(names) });
  return board;
}

function oneRound(board: Board, c: Context): Response {
  const round = board.rounds().find(({ id }) => `${id}` === c.req.param("id"));
  return round === undefined
    ? c.json(problem(new LichenError("BAD_REQUEST", { at: c.req.path, found: "no such round" })), 404)
    : c.json({ schema: "lichen/round/1", round });
}

async function infer(board: Board, c: Context, from: Door): Promise<Response> {
  const each = await eachOf(await filesOf(c), (file) => board.infer(file, from));
  if (isMultipart(c)) return answerEach(c, each, "lichen/infer-each/1", (inference) => inference);
  const [only] = each;
  if (only === undefined || "error" in only) throw only?.error;
  return c.json({ schema: "lichen/infer/1", ...only.result });
}

async function store(board: Board, c: Context): Promise<Response> {
  const label = c.req.query("unlabelled") === undefined ? c.req.query("label") : null;
  if (label === undefined) {
    throw new LichenError("BAD_REQUEST", { at: c.req.path, wanted: "?label= and a class, or ?unlabelled" });
  }
  const each = await eachOf(await filesOf(c), async (file) => {
    await board.sample(file, label);
    return { sha256: createHash("sha256").update(file.bytes).digest("hex"), label };
  });
  return answerEach(c, each, "lichen/stored/1", (stored) => stored);
}

/** A stream of events, one a line. What refuses the round before it began is an ordinary error. */
async function adapt(board: Board, c: Context): Promise<Response> {
  const events: RoundEvent[] = [];
  let isUnderWay = false;
  let wake = () => {};
  const tell = (event: RoundEvent) => {
    isUnderWay = true;
    events.push(event);
    wake();
  };
  const first = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const work = board
    .adapt((progress) => tell({ schema: EVENT, tag: "progress", progress }))
    .then(
      (round) => tell({ schema: EVENT, tag: "done", round }),
      (error) => {
        if (!isUnderWay) throw error;
        tell({ schema: EVENT, tag: "failed", error: problem(error) });
      },
    );
  await Promise.race([first, work]);
  return stream(c, async (out) => {
    for (;;) {
      const event = events.shift();
      if (event !== undefined) {
        await out.write(`${JSON.stringify(event)}\n`);
        if (event.tag !== "progress") return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (events.length > 0) resolve();
        });
      }
    }
  });
}

const EVENT = "lichen/round-event/1";
