import { expect, test, vi } from "vitest";
import type { Verdict } from "../../../device/rounds/job-messages.ts";
import { temporaryFolder } from "../fixtures.ts";
import {
  type Board,
  ended,
  endless,
  GOVERNOR,
  opened,
  phase,
  request,
  sampleList,
  verdict,
  waitsFor,
} from "./board.ts";

test("what must not meet a round is refused while one runs, and no round begins before it is done", async () => {
  let finish = (_: Verdict) => {};
  const board = await opened(await temporaryFolder(), () => new Promise((resolve) => (finish = resolve)));
  const running = request(board);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  await expect(board.rounds.whileIdle(async () => {})).rejects.toMatchObject({ code: "ROUND_RUNNING" });
  finish(verdict(true));
  await running;
  await board.rounds.whileIdle(async () => {
    await expect(request(board)).rejects.toMatchObject({ code: "ROUND_RUNNING" });
  });
});

test("a round that waits gives way to what must not meet it, and is made up for", async () => {
  const board = await opened(await temporaryFolder(), endless);
  const running = request(board);
  await phase(board, "training");
  board.board.availableBytes = 1;
  board.clock.pass(5000);
  await phase(board, "paused");
  const seen: string[] = [];
  await board.rounds.whileIdle(async () => void seen.push(board.rounds.state().tag));
  expect(seen).toEqual(["idle"]);
  expect(await running).toMatchObject({ outcome: { tag: "failed", code: "CANCELLED" } });
  expect(board.rounds.facts()).toMatchObject({ owed: true, failuresInARow: 0 });
});

test("a running training is held at once when the board wants it so, and goes on when there is room to spare", async () => {
  const board = await opened(await temporaryFolder(), endless);
  void request(board);
  await phase(board, "training");
  board.board.temperature = 79;
  board.clock.pass(5000);
  await vi.waitFor(() => expect(board.process.hold).toHaveBeenCalledOnce());
  await waitsFor(board, "TOO_HOT");
  board.board.temperature = 72;
  board.clock.pass(5000);
  await waitsFor(board, "TOO_HOT");
  expect(board.process.release).not.toHaveBeenCalled();
  board.board.temperature = 60;
  board.clock.pass(5000);
  await vi.waitFor(() => expect(board.process.release).toHaveBeenCalledOnce());
  expect(board.rounds.facts()).toMatchObject({ phase: "training", pauses: 1 });
  expect(board.jobs).toHaveLength(1);
});

test("held for a minute, or for want of memory, training is put down, and goes on later as the same round", async () => {
  let finish = (_: Verdict) => {};
  const board = await opened(await temporaryFolder(), () => new Promise((resolve) => (finish = resolve)));
  const round = request(board);
  await phase(board, "training");
  board.board.temperature = 79;
  board.clock.pass(5000);
  await vi.waitFor(() => expect(board.process.hold).toHaveBeenCalledOnce());
  for (let look = 0; look < 14; look++) {
    board.clock.pass(5000);
    await new Promise(setImmediate);
  }
  await phase(board, "paused");
  board.board.temperature = 40;
  board.clock.pass(5000);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(2));
  expect(board.jobs[1]).toEqual(board.jobs[0]);
  board.board.availableBytes = 1;
  board.clock.pass(5000);
  await phase(board, "paused");
  board.board.availableBytes = 1e9;
  board.clock.pass(5000);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(3));
  finish(verdict(true));
  expect(await round).toMatchObject({ id: 1, outcome: { tag: "accepted" }, pauses: 2 });
});

test("a round that is asked for while the board has no room for it waits, and trains when it has", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true));
  board.board.temperature = 90;
  const round = request(board);
  await phase(board, "paused");
  expect(board.jobs).toEqual([]);
  board.board.temperature = 40;
  board.clock.pass(5000);
  expect(await round).toMatchObject({ id: 1, outcome: { tag: "accepted" } });
});

test("a round put down before a restart goes on after it, under its own number", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, endless);
  void request(board).catch(() => {});
  await phase(board, "training");
  board.board.availableBytes = 1;
  board.clock.pass(5000);
  await phase(board, "paused");
  const next = await opened(folder, async () => verdict(true));
  await ended(next);
  expect(next.rounds.history()).toMatchObject([{ id: 1, outcome: { tag: "accepted" } }]);
  expect(next.jobs).toEqual(board.jobs);
});

test("after a power cut the next round goes on with the very same work, though samples have come since", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, endless);
  void request(board);
  await phase(board, "training");
  const next = await opened(folder, async () => verdict(true), { samples: sampleList(11) });
  await waitsFor(next, "COOLING_DOWN");
  next.clock.pass(60_000);
  await vi.waitFor(() => expect(next.onTrained).toHaveBeenCalledOnce());
  expect(next.jobs[0]).toEqual(board.jobs[0]);
  expect(next.rounds.history().at(-1)).toMatchObject({ id: 2, continues: 1 });
  expect(next.rounds.newSamples()).toHaveLength(2);
});

test("two models of one board ask each other who trains: one asked for beside the other waits, and goes on after it", async () => {
  let finish = (_: Verdict) => {};
  const board: { [name: string]: Board } = {};
  const other = (name: string) => () => (board[name]?.rounds.isTraining() ? name : null);
  const work = () => new Promise<Verdict>((resolve) => (finish = resolve));
  const ears = await opened(await temporaryFolder(), work, { elsewhere: other("eyes") });
  const eyes = await opened(await temporaryFolder(), async () => verdict(false), { elsewhere: other("ears") });
  Object.assign(board, { ears, eyes });

  const first = request(ears);
  await vi.waitFor(() => expect(ears.jobs).toHaveLength(1));
  const second = request(eyes);
  await vi.waitFor(() => expect(eyes.rounds.state()).toMatchObject({ reason: "OTHER_MODEL_TRAINS" }));
  eyes.clock.pass(GOVERNOR.lookMs);
  await waitsFor(eyes, "OTHER_MODEL_TRAINS");
  expect(eyes.jobs).toEqual([]);
  expect(eyes.rounds.isTraining()).toBe(false);

  finish(verdict(false));
  await first;
  eyes.clock.pass(GOVERNOR.lookMs);
  expect((await second).outcome).toMatchObject({ tag: "rejected", reason: "NO_GAIN" });
});

test("of two rounds that wait for another model's, one goes on, and the other when that has ended", async () => {
  const names = ["ears", "eyes", "nose"];
  const boards: { [name: string]: Board } = {};
  const finish: { [name: string]: () => void } = {};
  for (const name of names) {
    const work = () => new Promise<Verdict>((resolve) => (finish[name] = () => resolve(verdict(false))));
    const elsewhere = () => names.find((other) => other !== name && boards[other]?.rounds.isTraining()) ?? null;
    boards[name] = await opened(await temporaryFolder(), work, { elsewhere });
  }
  const { ears, eyes, nose } = boards as { [_ in "ears" | "eyes" | "nose"]: Board };
  const first = request(ears);
  await vi.waitFor(() => expect(finish.ears).toBeDefined());
  const others = { eyes: request(eyes), nose: request(nose) };
  for (const board of [eyes, nose])
    await vi.waitFor(() => expect(board.rounds.state()).toMatchObject({ reason: "OTHER_MODEL_TRAINS" }));
  finish.ears!();
  await first;

  const look = () => {
    for (const { clock } of [eyes, nose]) clock.pass(GOVERNOR.lookMs);
  };
  look();
  await vi.waitFor(() => expect(eyes.jobs.length + nose.jobs.length).toBe(1));
  look();
  await waitsFor(eyes.jobs.length === 0 ? eyes : nose, "OTHER_MODEL_TRAINS");
  expect(eyes.jobs.length + nose.jobs.length).toBe(1);
  const [now, then] = eyes.jobs.length === 1 ? (["eyes", "nose"] as const) : (["nose", "eyes"] as const);
  finish[now]!();
  await others[now];
  look();
  await vi.waitFor(() => expect(finish[then]).toBeDefined());
  finish[then]!();
  expect((await others[then]).outcome).toMatchObject({ tag: "rejected" });
});
