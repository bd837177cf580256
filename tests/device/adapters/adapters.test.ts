import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createAdapters } from "../../../device/adapters/adapters.ts";
import { createShelf } from "../../../device/adapters/shelf.ts";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { tensor } from "../../../runtime/onnx/tensor.ts";
import { atEveryStep, dyingDisk, silent, temporaryFolder } from "../fixtures.ts";
import { decodeFake, fakeAdapter, fakeSessions } from "./fakes.ts";

const reading = tensor("float32", [1], new Float32Array(1));
const [A, B] = [fakeAdapter("A"), fakeAdapter("B")];

async function opened(directory: string, disk = nodeDisk) {
  const shelf = createShelf({ directory, disk, log: silent });
  const sessions = fakeSessions();
  const adapters = createAdapters({ shelf, open: sessions.open, decode: decodeFake, log: silent });
  const problems = await adapters.start();
  return { adapters, shelf, problems, events: sessions.events, serving: () => adapters.serving().adapter() };
}

test("a fresh board serves the base", async () => {
  const { serving, problems } = await opened(await temporaryFolder());
  expect(serving()).toBeNull();
  expect(problems).toEqual([]);
});

test("a swap opens the new session before it closes the old one, and between two inferences", async () => {
  const { adapters, events } = await opened(await temporaryFolder());
  const first = adapters.serving().classify(reading);
  const swap = adapters.install(A);
  await Promise.all([first, swap]);
  await adapters.serving().classify(reading);
  await adapters.stop();
  expect(events).toEqual(["open base", "classify base", "open A", "close base", "classify A", "close A"]);
});

test("the installed adapter serves after a restart, and only it and the one before are kept", async () => {
  const directory = await temporaryFolder();
  const { adapters } = await opened(directory);
  for (const name of ["A", "B", "C"]) await adapters.install(fakeAdapter(name));
  expect((await opened(directory)).serving()).toBe(fakeAdapter("C").sha256);
  expect((await readdir(directory)).filter((name) => name.endsWith(".safetensors"))).toHaveLength(2);
});

test("an adapter that cannot be opened changes nothing", async () => {
  const { adapters, shelf, serving } = await opened(await temporaryFolder());
  await adapters.install(A);
  await expect(adapters.install(fakeAdapter("unusable"))).rejects.toMatchObject({ code: "ADAPTER_CORRUPT" });
  expect([serving(), shelf.state().current]).toEqual([A.sha256, A.sha256]);
});

test("a rolled-back adapter is refused when it is offered again, also after a restart", async () => {
  const directory = await temporaryFolder();
  const first = await opened(directory);
  await first.adapters.install(A);
  await first.adapters.install(B);
  await first.adapters.rollBack("ROLLED_BACK");
  expect(first.serving()).toBe(A.sha256);
  const again = await opened(directory);
  await expect(again.adapters.install(B)).rejects.toMatchObject({ code: "ADAPTER_REFUSED" });
  expect(again.serving()).toBe(A.sha256);
});

test("the base has nothing to be rolled back to", async () => {
  const { adapters } = await opened(await temporaryFolder());
  await expect(adapters.rollBack("ROLLED_BACK")).rejects.toMatchObject({ code: "NOTHING_TO_ROLL_BACK" });
});

test.each([
  ["truncated", (path: string) => writeFile(path, "")],
  ["gone", (path: string) => rm(path)],
])("a current adapter that is %s at the start gives way to the one before, loudly, for good", async (_, damage) => {
  const directory = await temporaryFolder();
  const { adapters, shelf } = await opened(directory);
  await adapters.install(A);
  await adapters.install(B);
  await damage(shelf.pathOf(B.sha256));
  const restarted = await opened(directory);
  expect(restarted.serving()).toBe(A.sha256);
  expect(restarted.problems).toMatchObject([{ code: "ADAPTER_CORRUPT" }]);
  expect((await opened(directory)).problems).toEqual([]);
});

test("when both adapters are damaged the base serves", async () => {
  const directory = await temporaryFolder();
  const { adapters, shelf } = await opened(directory);
  await adapters.install(A);
  await adapters.install(B);
  for (const { sha256 } of [A, B]) await writeFile(shelf.pathOf(sha256), "?");
  const restarted = await opened(directory);
  expect(restarted.serving()).toBeNull();
  expect(restarted.problems).toHaveLength(2);
  expect(restarted.shelf.state().current).toBeNull();
});

test("a damaged state file falls back to the state before", async () => {
  const directory = await temporaryFolder();
  const { adapters } = await opened(directory);
  await adapters.install(A);
  await adapters.install(B);
  await writeFile(join(directory, "state.json"), "{");
  const restarted = await opened(directory);
  expect(restarted.problems).toMatchObject([{ code: "STATE_CORRUPT" }]);
  expect(restarted.serving()).toBe(A.sha256);
});

test("whatever step of a swap the power goes at, the old adapter or the new one serves after it", async () => {
  await atEveryStep(async (step) => {
    const directory = await temporaryFolder();
    await (await opened(directory)).adapters.install(A);
    const { disk, died } = dyingDisk(nodeDisk, step);
    const installed = await opened(directory, disk)
      .then(({ adapters }) => adapters.install(B))
      .then(
        () => true,
        () => false,
      );
    const { serving, problems } = await opened(directory);
    expect(problems).toEqual([]);
    expect(installed ? [B.sha256] : [A.sha256, B.sha256]).toContain(serving());
    return died();
  });
});
