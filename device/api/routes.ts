import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { stream } from "hono/streaming";
import { type ErrorCode, errorCode, LichenError } from "../../runtime/errors.ts";
import { listed } from "../../runtime/listed.ts";
import type { JobProgress } from "../rounds/job.ts";
import type { Round } from "../rounds/record.ts";
import { MAX_FILE_BYTES, type SourceFile } from "../sources/source.ts";
import type { AdaptersAnswer, InferAnswer, RollbackAnswer, RoundEvent, SamplesAnswer, Status } from "./schemas.ts";

/** What the API can ask of one model at work. */
export interface Board {
  status(): Status;
  infer(file: SourceFile): Promise<InferAnswer>;
  samples(): SamplesAnswer;
  adapters(): AdaptersAnswer;
  rounds(): readonly Round[];
  /** @throws ROUND_RUNNING, TOO_FEW_SAMPLES */
  adapt(onProgress: (progress: JobProgress) => void): Promise<Round>;
  /** @throws NOTHING_TO_ROLL_BACK */
  rollBack(): Promise<RollbackAnswer>;
}

type Route = readonly [
  method: "GET" | "POST",
  path: string,
  answer: (board: Board, context: Context) => Promise<Response> | Response,
];

const ROUTES: readonly Route[] = [
  ["GET", "/v1/status", (board, c) => c.json(board.status())],
  ["GET", "/v1/samples", (board, c) => c.json(board.samples())],
  ["GET", "/v1/adapters", (board, c) => c.json(board.adapters())],
  ["GET", "/v1/rounds", (board, c) => c.json({ schema: "lichen/rounds/1", rounds: board.rounds() })],
  ["GET", "/v1/rounds/:id", (board, c) => oneRound(board, c)],
  ["POST", "/v1/infer", async (board, c) => c.json(await infer(board, c))],
  ["POST", "/v1/adapt", (board, c) => adapt(board, c)],
  ["POST", "/v1/rollback", async (board, c) => c.json(await board.rollBack())],
];

/** Codes that are not plain bad input. */
const STATUSES: Partial<Record<ErrorCode | "INTERNAL", 404 | 409 | 413 | 500 | 503>> = {
  CANCELLED: 503,
  DAEMON_STARTING: 503,
  INTERNAL: 500,
  NOTHING_TO_ROLL_BACK: 409,
  NO_SUCH_MODEL: 404,
  ROUND_CRASHED: 500,
  ROUND_HUNG: 500,
  ROUND_RUNNING: 409,
  STORAGE_FAILED: 503,
  TOO_FEW_SAMPLES: 409,
};

/** By the names of their models; the first one answers who names none. */
export type Boards = ReadonlyMap<string, Board>;

/** The daemon's HTTP API; `?model=` says which model is meant. Errors are `{code, message}`. */
export function createApi(boards: Boards): Hono {
  const app = new Hono();
  app.use(
    bodyLimit({
      maxSize: MAX_FILE_BYTES,
      onError: (c) =>
        c.json({ code: "BAD_REQUEST", message: `BAD_REQUEST: the body is over ${MAX_FILE_BYTES} bytes.` }, 413),
    }),
  );
  for (const [method, path, answer] of ROUTES)
    app.on(method, path, (context) => answer(boardOf(boards, context), context));
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

async function infer(board: Board, c: Context): Promise<InferAnswer> {
  const name = c.req.query("name") ?? "request";
  return board.infer({ bytes: new Uint8Array(await c.req.arrayBuffer()), name, at: name });
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

/** An error as the API tells it. */
export const problem = (error: unknown) => ({
  code: errorCode(error),
  message: error instanceof Error ? error.message : String(error),
});
