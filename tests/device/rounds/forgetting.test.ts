import { expect, test, vi } from "vitest";
import type { Verdict } from "../../../device/rounds/job-messages.ts";
import { temporaryFolder } from "../fixtures.ts";
import { answering, type Board, ended, hasTrained, INCUMBENT, opened, request, verdict } from "./board.ts";

test("a round after a trained label was taken back does without the sample and starts from the base, the one after that does not", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, async () => verdict(true), { incumbent: () => INCUMBENT });
  await request(board);
  expect(board.jobs[0]).toMatchObject({ start: "incumbent" });
  const taken = board.samples.find(({ path }) => hasTrained(board.jobs[0], path))!;
  board.samples.splice(board.samples.indexOf(taken), 1);
  await board.rounds.forget([taken.sha256]);
  const next = await opened(folder, async () => verdict(true), { samples: board.samples, incumbent: () => INCUMBENT });
  await request(next);
  expect(next.jobs[0]).not.toHaveProperty("start");
  expect(hasTrained(next.jobs[0], taken.path)).toBe(false);
  await request(next);
  expect(next.jobs[1]).toMatchObject({ start: "incumbent" });
});

test("a label taken back while its sample is trained on counts after the round", async () => {
  let finish = (_: Verdict) => {};
  const board = await opened(await temporaryFolder(), () => new Promise((resolve) => (finish = resolve)));
  const running = request(board);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  const relabelled = board.samples.find(({ path }) => hasTrained(board.jobs[0], path))!;
  await board.rounds.forget([relabelled.sha256]);
  finish(verdict(true));
  await running;
  expect(board.rounds.newSamples()).toEqual([relabelled]);
});

test("what was learnt from a label that was taken back meanwhile is not built upon", async () => {
  let finish = (_: Verdict) => {};
  const work = () => new Promise<Verdict>((resolve) => (finish = resolve));
  const board = await opened(await temporaryFolder(), work, { incumbent: () => INCUMBENT });
  const running = request(board);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  await takeBack(board);
  finish(verdict(true));
  await running;
  const second = await trainsAfresh(board);
  finish(verdict(false));
  await second();
  // Its candidate was rejected: what serves is still what has learnt from it.
  await trainsAfresh(board);
});

test("a label taken back in the shadow is remembered over a restart", async () => {
  const folder = await temporaryFolder();
  const changes = { incumbent: () => INCUMBENT, shadow: { minInferences: 1 } };
  const board = await opened(folder, async () => verdict(true), changes);
  request(board).catch(() => undefined);
  await vi.waitFor(() => expect(board.rounds.state().tag).toBe("shadowing"));
  await takeBack(board);
  await board.rounds.stop();
  const again = await opened(folder, async () => verdict(true), { ...changes, samples: board.samples });
  answering(again, 1);
  await ended(again);
  await vi.waitFor(() => expect(again.rounds.facts().phase).toBe("none"));
  await trainsAfresh(again);
});

/** Somebody takes back a label that is being trained on. */
async function takeBack(board: Board): Promise<void> {
  const at = board.samples.findIndex(({ path }) => hasTrained(board.jobs[0], path));
  await board.rounds.forget([board.samples[at]!.sha256]);
  board.samples.splice(at, 1);
}

/** Asks for a round, which trains from the base whatever serves. @returns its end */
async function trainsAfresh(board: Board): Promise<() => Promise<unknown>> {
  const before = board.jobs.length;
  const running = request(board).catch(() => undefined);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(before + 1));
  expect(board.jobs.at(-1)).toMatchObject({ kind: "train" });
  expect(board.jobs.at(-1)).not.toHaveProperty("start");
  return () => running;
}
