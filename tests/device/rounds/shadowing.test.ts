import { expect, test, vi } from "vitest";
import { temporaryFolder } from "../fixtures.ts";
import { answering, type Board, ended, endless, opened, phase, request, verdict } from "./board.ts";

const SHADOW = { minInferences: 20 };

const shadowed = async (board: Board, inferences: number) => {
  for (let at = 0; at < inferences; at++) {
    answering(board, 1);
    for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate);
  }
};

test("what passed the gate answers live inferences beside the current adapter before it serves", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true), { shadow: SHADOW });
  const round = request(board);
  await phase(board, "shadowing");
  await shadowed(board, 19);
  expect(board.keeper.install).not.toHaveBeenCalled();
  await shadowed(board, 1);
  expect(await round).toMatchObject({ outcome: { tag: "accepted", reason: "GAIN" }, shadow: { inferences: 20 } });
  expect(board.keeper.install).toHaveBeenCalledOnce();
  expect(board.sessions.events.at(-1)).toBe("close candidate");
});

test("after a clean stop or a power cut the shadow goes on from its counts, and the training is not done again", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, async () => verdict(true), { shadow: SHADOW });
  void request(board).catch(() => {});
  await phase(board, "shadowing");
  await shadowed(board, 8);
  await board.rounds.stop();
  const second = await opened(folder, endless, { shadow: SHADOW });
  await shadowed(second, 8);
  second.clock.pass(60_000);
  await vi.waitFor(() => expect(second.rounds.state()).toMatchObject({ shadow: { inferences: 16 } }));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const third = await opened(folder, endless, { shadow: SHADOW });
  await shadowed(third, 4);
  await ended(third);
  expect(third.rounds.history()).toMatchObject([{ id: 1, shadow: { inferences: 20 }, outcome: { tag: "accepted" } }]);
  expect([...second.jobs, ...third.jobs]).toEqual([]);
});

test("a flood of inferences is looked at as far as there is time, and nobody waits", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true), { shadow: SHADOW });
  void request(board);
  await phase(board, "shadowing");
  answering(board, 1000);
  expect(board.sessions.events.filter((event) => event.startsWith("classify"))).toEqual([]);
  await shadowed(board, 2);
  expect(board.sessions.events.filter((event) => event.startsWith("classify")).length).toBeLessThan(10);
});

test.each([
  ["commit", "accepted", "GAIN"],
  ["wait", "rejected", "SHADOW_NO_MEMORY"],
] as const)("without memory for a second session, and %s configured, the candidate is %s", async (way, tag, reason) => {
  const shadow = { ...SHADOW, whenMemoryIsShort: way, minFreeBytes: 2e9, maxSeconds: 60 };
  const board = await opened(await temporaryFolder(), async () => verdict(true), { shadow });
  const round = request(board);
  if (way === "wait") {
    await phase(board, "shadowing");
    await new Promise((resolve) => setTimeout(resolve, 50));
    board.clock.pass(60_000);
  }
  expect(await round).toMatchObject({ outcome: { tag, reason } });
  expect(board.sessions.events).toEqual([]);
  expect(board.keeper.refuse).not.toHaveBeenCalled();
});
