import { readdir, truncate } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { createAdapters } from "../../../device/adapters/adapters.ts";
import { adaptersSchema } from "../../../device/adapters/config.ts";
import { createKeeper } from "../../../device/adapters/keeper.ts";
import { createShelf } from "../../../device/adapters/shelf.ts";
import { NO_STANDING, standingSchema } from "../../../device/adapters/standing.ts";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { stateFile } from "../../../device/disk/state-file.ts";
import type { Adapter } from "../../../runtime/index.ts";
import { tensor } from "../../../runtime/onnx/tensor.ts";
import { testClock } from "../clock.ts";
import { atEveryStep, dyingDisk, silent, temporaryFolder } from "../fixtures.ts";
import { decodeFake, fakeAdapter, fakeSessions } from "./fakes.ts";

const [A, B, C] = [fakeAdapter("A"), fakeAdapter("B"), fakeAdapter("C")];
const CONFIG = adaptersSchema.parse({ proof: { inferences: 10, hours: 1 }, revert: { baseline: 20 } });
const GOOD = { heldOut: { samples: 100, accuracy: 0.95, loss: 0 }, rehearsal: null };

/** A board's adapters over a folder; dropping it without `stop` is what SIGKILL does. */
async function booted(directory: string, disk = nodeDisk) {
  const clock = testClock();
  const shelf = createShelf({
    directory,
    disk,
    log: silent,
    alsoKept: () => [keeper.standing().good, keeper.standing().pinned?.adapter ?? null],
  });
  const adapters = createAdapters({
    shelf,
    open: fakeSessions().open,
    decode: decodeFake,
    log: silent,
    beforeLoad: () => keeper.beforeLoad(),
    lastKnownGood: () => keeper.standing().good,
  });
  const onReverted = vi.fn();
  const keeper = createKeeper({
    shelf,
    adapters,
    file: stateFile(disk, join(directory, "standing.json"), standingSchema, NO_STANDING),
    config: CONFIG,
    clock,
    log: silent,
    onReverted,
  });
  const problems = await adapters.start();
  keeper.start();
  return { adapters, keeper, shelf, clock, problems, onReverted, serving: () => adapters.serving().adapter() };
}

type Board = Awaited<ReturnType<typeof booted>>;

/** Serves an adapter until it is last-known-good. */
async function prove(board: Board, adapter: Adapter): Promise<void> {
  await board.keeper.install(adapter, GOOD);
  for (let at = 0; at < 10; at++) board.keeper.answered(adapter.sha256, 0.9);
  for (let quarter = 0; quarter < 4; quarter++) board.clock.pass(15 * 60_000);
  await vi.waitFor(() => expect(board.keeper.standing().good).toBe(adapter.sha256));
}

const wrong = (board: Board, adapter: Adapter, times = 12) => {
  for (let at = 0; at < times; at++) board.keeper.labelled(adapter.sha256, false);
};

test("an adapter proves itself by answers and by time, not by one of them alone", async () => {
  const board = await booted(await temporaryFolder());
  await board.keeper.install(A, GOOD);
  for (let at = 0; at < 100; at++) board.keeper.answered(A.sha256, 0.9);
  board.clock.pass(15 * 60_000);
  await vi.waitFor(() => expect(board.keeper.standing().proof.inferences).toBe(100));
  expect(board.keeper.standing().good).toBeNull();
  for (let quarter = 0; quarter < 3; quarter++) board.clock.pass(15 * 60_000);
  await vi.waitFor(() => expect(board.keeper.standing().good).toBe(A.sha256));
});

test("the last-known-good adapter stays on the shelf, whatever comes after it", async () => {
  const directory = await temporaryFolder();
  const board = await booted(directory);
  await prove(board, A);
  for (const adapter of [B, C, fakeAdapter("D")]) await board.keeper.install(adapter, GOOD);
  expect(await readdir(directory)).toContain(`${A.sha256}.safetensors`);
});

test("killed at two starts in a row, the third leaves the adapter for the last-known-good one, and that one for the base", async () => {
  const directory = await temporaryFolder();
  const board = await booted(directory);
  await prove(board, A);
  await board.keeper.install(B, GOOD);
  for (const serving of [B, B, A, A]) expect((await booted(directory)).serving()).toBe(serving.sha256);
  const last = await booted(directory);
  expect(last.serving()).toBeNull();
  expect(last.problems).toMatchObject([{ code: "CRASH_LOOP" }]);
  expect(last.shelf.state().refused).toMatchObject([
    { sha256: B.sha256, reason: "CRASH_LOOP" },
    { sha256: A.sha256, reason: "CRASH_LOOP" },
  ]);
  expect((await booted(directory)).problems).toEqual([]);
});

test.each([
  ["a minute of service", (board: Board) => board.clock.pass(60_000)],
  ["twenty answers", (board: Board) => Array.from({ length: 20 }, () => board.keeper.answered(A.sha256, 0.9))],
  ["a clean stop", (board: Board) => board.keeper.stop()],
])("starts that ended after %s are no crash loop", async (_, lasting) => {
  const directory = await temporaryFolder();
  await (await booted(directory)).keeper.install(A, GOOD);
  for (let start = 0; start < 5; start++) {
    const board = await booted(directory);
    expect(board.serving()).toBe(A.sha256);
    lasting(board);
    await vi.waitFor(() => expect(board.keeper.standing().boots.count).toBe(0));
    await board.keeper.release();
  }
});

test("wherever the power goes at a start in a crash loop, the starts after it get out of it", async () => {
  await atEveryStep(async (step) => {
    const directory = await temporaryFolder();
    await (await booted(directory)).keeper.install(A, GOOD);
    for (let start = 0; start < 2; start++) await booted(directory);
    const { disk, died } = dyingDisk(nodeDisk, step);
    await booted(directory, disk).catch(() => undefined);
    await booted(directory);
    const { serving, shelf } = await booted(directory);
    expect(serving()).toBeNull();
    expect(shelf.state().refused).toMatchObject([{ sha256: A.sha256, reason: "CRASH_LOOP" }]);
    return died();
  });
});

test("an adapter that is wrong on newly labelled samples is left for the last-known-good one, and does not come back", async () => {
  const directory = await temporaryFolder();
  const board = await booted(directory);
  await prove(board, A);
  await board.keeper.install(B, GOOD);
  await board.keeper.install(C, GOOD);
  wrong(board, C);
  await vi.waitFor(() => expect(board.onReverted).toHaveBeenCalledWith("LESS_RIGHT"));
  expect(board.serving()).toBe(A.sha256);
  expect(board.shelf.isRefused(C.sha256)).toBe(true);
  await expect(board.keeper.install(C, GOOD)).rejects.toMatchObject({ code: "ADAPTER_REFUSED" });
  expect((await booted(directory)).serving()).toBe(A.sha256);
});

test("an adapter whose answers become unsure is left; answers of another adapter do not count", async () => {
  const board = await booted(await temporaryFolder());
  await board.keeper.install(A, GOOD);
  for (let at = 0; at < 60; at++) board.keeper.answered(A.sha256, at < 20 ? 0.95 : 0.4);
  await vi.waitFor(() => expect(board.onReverted).toHaveBeenCalledWith("LESS_SURE"));
  expect(board.serving()).toBeNull();
  for (let at = 0; at < 60; at++) board.keeper.answered(A.sha256, 0.1);
  expect(board.onReverted).toHaveBeenCalledOnce();
});

test("what has proved itself stays when quality drops: it is the world that has changed", async () => {
  const board = await booted(await temporaryFolder());
  await prove(board, A);
  wrong(board, A, 100);
  await board.keeper.release();
  expect(board.serving()).toBe(A.sha256);
});

test("a watch goes on after a restart from where it was written down", async () => {
  const directory = await temporaryFolder();
  const board = await booted(directory);
  await board.keeper.install(A, GOOD);
  wrong(board, A, 2);
  await board.keeper.stop();
  expect((await booted(directory)).keeper.standing().quality).toMatchObject({
    adapter: A.sha256,
    labelled: { count: 2 },
  });
});

test("after a rollback neither the adapter, nor its numbers in another file, nor what starts from it comes back", async () => {
  const directory = await temporaryFolder();
  const numbers = (adapter: Adapter): Adapter => ({
    ...adapter,
    tensors: new Map([["layer/bias", tensor("float32", [2], Float32Array.of(1, 2))]]),
  });
  const child = { ...C, description: { ...C.description, lineage: { parents: [A.sha256], contributors: [] } } };
  const board = await booted(directory);
  await board.keeper.install(numbers(A), GOOD);
  await board.keeper.rollBack();
  for (const { keeper } of [board, await booted(directory)]) {
    expect(keeper.objectionTo(A)).toBe("SAME_AS_REFUSED");
    expect(keeper.objectionTo(numbers(B))).toBe("SAME_AS_REFUSED");
    expect(keeper.objectionTo(child)).toBe("STARTS_FROM_REFUSED");
    expect(keeper.isBarred(A.sha256)).toBe(true);
    expect(keeper.objectionTo(B)).toBeNull();
  }
});

test("a rollback that the power cuts short is finished by the next start, or has not begun", async () => {
  await atEveryStep(async (step) => {
    const directory = await temporaryFolder();
    const first = await booted(directory);
    await first.keeper.install(A, GOOD);
    await first.keeper.stop();
    const { disk, died } = dyingDisk(nodeDisk, step);
    const done = await booted(directory, disk)
      .then(({ keeper }) => keeper.rollBack())
      .then(
        () => true,
        () => false,
      );
    const { serving, keeper } = await booted(directory);
    expect(keeper.isBarred(A.sha256)).toBe(serving() === null);
    if (done) expect(serving()).toBeNull();
    return died();
  });
});

test("nothing to roll back is nothing barred", async () => {
  const board = await booted(await temporaryFolder());
  await expect(board.keeper.rollBack()).rejects.toMatchObject({ code: "NOTHING_TO_ROLL_BACK" });
  expect(board.keeper.standing().barred).toEqual([]);
});

test("what a person pins serves, over restarts and against rounds and fleets, until they let go of it", async () => {
  const directory = await temporaryFolder();
  const board = await booted(directory);
  await board.keeper.install(A, GOOD);
  await board.keeper.install(B, GOOD);
  await board.keeper.use(A.sha256.slice(0, 8));
  expect(board.serving()).toBe(A.sha256);
  await expect(board.keeper.install(C, GOOD)).rejects.toMatchObject({ code: "ADAPTER_PINNED" });
  const again = await booted(directory);
  expect([again.serving(), again.keeper.isPinned()]).toEqual([A.sha256, true]);
  wrong(again, A, 100);
  await again.keeper.use(null);
  expect((await booted(directory)).serving()).toBeNull();
  await again.keeper.release();
  await again.keeper.install(C, GOOD);
  expect(again.serving()).toBe(C.sha256);
});

test("a person may bring back what was taken out of service, as long as the board still has it", async () => {
  const board = await booted(await temporaryFolder());
  await board.keeper.install(A, GOOD);
  await expect(board.keeper.use("0000")).rejects.toMatchObject({ code: "ADAPTER_NOT_HELD" });
  await expect(board.keeper.use("")).rejects.toMatchObject({ code: "ADAPTER_NOT_HELD" });
  await board.shelf.refuse(A.sha256, "LESS_SURE");
  await board.keeper.use(A.sha256);
  expect(board.shelf.isRefused(A.sha256)).toBe(false);
  expect(board.keeper.objectionTo(A)).toBeNull();
});

test("what cannot be served when a person wants it is not pinned either", async () => {
  const directory = await temporaryFolder();
  const board = await booted(directory);
  await board.keeper.install(A, GOOD);
  await board.keeper.install(B, GOOD);
  await truncate(board.shelf.pathOf(A.sha256), 3);
  await expect(board.keeper.use(A.sha256)).rejects.toMatchObject({ code: "ADAPTER_CORRUPT" });
  expect([board.serving(), board.keeper.isPinned()]).toEqual([B.sha256, false]);
  const again = await booted(directory);
  expect([again.serving(), again.keeper.isPinned()]).toEqual([B.sha256, false]);
});

test("a pinned adapter that crashes the board gives way all the same, and is pinned no longer", async () => {
  const directory = await temporaryFolder();
  const board = await booted(directory);
  await board.keeper.install(A, GOOD);
  await board.keeper.use(A.sha256);
  for (let start = 0; start < 2; start++) await booted(directory);
  const { serving, keeper } = await booted(directory);
  expect([serving(), keeper.isPinned()]).toEqual([null, false]);
});

test("when the current adapter and the one before are both damaged, the last-known-good one serves", async () => {
  const directory = await temporaryFolder();
  const board = await booted(directory);
  await prove(board, A);
  await board.keeper.install(fakeAdapter("B"), GOOD);
  await board.keeper.install(fakeAdapter("C"), GOOD);
  for (const { sha256 } of [B, C]) await nodeDisk.write(board.shelf.pathOf(sha256), new Uint8Array(1));
  expect((await booted(directory)).serving()).toBe(A.sha256);
});
