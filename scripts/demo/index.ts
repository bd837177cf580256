/**
 * The main job, live: two boards, one broker, a voice in a room that the base model has never heard.
 * `npm run demo` ends by itself; everything happens in a temporary folder and on loopback.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Status } from "../../device/api/schemas.ts";
import { progressBar } from "../../device/cli/progress.ts";
import { bytes, percent, short, table, wrapped } from "../../device/cli/terminal.ts";
import { startBroker } from "../broker.ts";
import { type Board, PATIENCE, type Recording, recordings, startBoard } from "./board.ts";

const RECORDINGS = "scripts/demo/recordings";
const LIMIT_MS = 60_000 * PATIENCE;

const terminal = { out: process.stdout, notes: process.stderr, env: process.env };
const startedMs = performance.now();
const say = (text: string) => {
  const seconds = `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
  for (const [at, line] of wrapped(text, 70).entries()) {
    process.stdout.write(`${(at === 0 ? seconds : "").padStart(7)}  ${line}\n`);
  }
};

const folder = await mkdtemp(path.join(tmpdir(), "lichen demo "));
const broker = await startBroker({ port: 0 });
const boards: Board[] = [];
try {
  await demo();
} catch (error) {
  for (const board of boards) process.stderr.write(`\n--- log of ${board.name} ---\n${board.log()}`);
  process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
} finally {
  await Promise.all(boards.map((board) => board.stop()));
  await broker.stop();
  await rm(folder, { recursive: true, force: true });
}

async function demo(): Promise<void> {
  process.stdout.write("Two boards, one frozen int8 model, a voice in a room that it has never heard.\n\n");
  const [trainA, testA, trainB, testB] = (await Promise.all(
    ["board-a/train", "board-a/test", "board-b/train", "board-b/test"].map((part) =>
      recordings(path.join(RECORDINGS, part)),
    ),
  )) as [Recording[], Recording[], Recording[], Recording[]];

  const a = await start("board-a", trainA.length);
  // The second board never trains by itself; it only judges what it is offered.
  const b = await start("board-b", 1_000_000);
  const { model } = await a.status();
  say(`an MQTT broker and two daemons are up; base model ${model.id} ${model.version}, ${model.labels.length} words`);

  const beforeA = await accuracy(a, testA);
  const beforeB = await accuracy(b, testB);
  say(
    `before: board-a understands ${percent(beforeA)} of ${testA.length} words, board-b ${percent(beforeB)} of ${testB.length}`,
  );

  for (const { file, label } of trainB) await b.drop(file, label);
  await reached(b, "its samples", (status) => status.samples.total >= trainB.length);
  say(`board-b has ${trainB.length} labelled recordings of its own, to judge adapters by`);

  await collect(a, trainA);
  const adapted = await round(a);
  const { last } = adapted.round;
  if (last?.outcome.tag !== "accepted") throw new Error(`board-a did not adapt: ${JSON.stringify(last)}`);
  const adapter = adapted.adapter.serving;
  say(
    `board-a trained in ${(last.seconds ?? 0).toFixed(1)} s, in a process of its own; the gate says ${last.outcome.reason}: ${last.outcome.explanation}`,
  );
  const afterA = await accuracy(a, testA);
  say(`after: board-a understands ${percent(afterA)} with adapter ${short(adapter)}`);

  say("board-b takes the adapter over MQTT in blocks, checks hash and base, and puts it to its own gate");
  await reached(b, "the adapter", (status) => status.adapter.serving === adapter);
  const afterB = await accuracy(b, testB);
  say(`after: board-b understands ${percent(afterB)}, without having trained`);

  const size = (await a.status()).samples.bytes;
  const { received, sent } = broker.traffic();
  say(
    `over MQTT, everything counted: ${bytes(received)} to the broker, ${bytes(sent)} from it; the recordings (${bytes(size)}) stayed where they were`,
  );

  const rows = [
    ["board-a", percent(beforeA), percent(afterA), "trained on it", String(trainA.length)],
    ["board-b", percent(beforeB), percent(afterB), "came over MQTT", "0"],
  ];
  process.stdout.write(`\n${table(["board", "before", "after", "adapter", "trained on"], rows)}\n`);
  if (afterA <= beforeA || afterB <= beforeB) throw new Error("a board did not get better");
}

async function start(name: string, minNewSamples: number): Promise<Board> {
  const board = await startBoard({ name, folder: path.join(folder, name), broker: broker.url, minNewSamples });
  boards.push(board);
  return board;
}

/** As the board classifies them now, through its socket. */
async function accuracy(board: Board, test: readonly Recording[]): Promise<number> {
  let right = 0;
  for (const { file, label } of test) if ((await board.infer(file)).label === label) right++;
  return right / test.length;
}

/** Recordings arrive one after another, as they would while somebody speaks. */
async function collect(board: Board, samples: readonly Recording[]): Promise<void> {
  const order = [...samples].sort(
    (x, y) => path.basename(x.file).localeCompare(path.basename(y.file)) || x.label.localeCompare(y.label),
  );
  for (const [at, { file, label }] of order.entries()) {
    await board.drop(file, label);
    if ((at + 1) % 20 === 0) {
      const status = await reached(board, "samples", ({ samples: stored }) => stored.total >= at + 1);
      say(
        `board-a hears: ${status.samples.total} of ${samples.length} labelled recordings stored, ${bytes(status.samples.bytes)}`,
      );
    }
  }
}

/** Follows a training round to its end. */
async function round(board: Board): Promise<Status> {
  const bar = progressBar(terminal);
  try {
    return await reached(board, "the end of the round", (status) => {
      if (status.round.progress) bar.show(status.round.progress);
      return status.round.last !== null && status.round.last.outcome.tag !== "running";
    });
  } finally {
    bar.stop();
  }
}

async function reached(board: Board, what: string, holds: (status: Status) => boolean): Promise<Status> {
  for (const beganMs = performance.now(); performance.now() - beganMs < LIMIT_MS; await pause(100)) {
    const status = await board.status();
    if (holds(status)) return status;
  }
  throw new Error(`${board.name}: ${what} did not come within ${LIMIT_MS / 1000} s`);
}
