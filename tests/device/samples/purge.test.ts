import { access, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { openRandomAccess } from "../../../device/disk/random-access.ts";
import { createErase, ERASING } from "../../../device/samples/erase.ts";
import { purge } from "../../../device/samples/purge.ts";
import { type Selector, selected, selectorSchema } from "../../../device/samples/selector.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { testClock } from "../clock.ts";
import { temporaryFolder } from "../fixtures.ts";
import { hashOf, opened, wav } from "./stores.ts";

async function board() {
  const directory = await temporaryFolder();
  const clock = testClock();
  const store = await opened(join(directory, "samples"), { clock });
  await store.add(wav("a", "one"));
  await store.add(wav("b", null));
  clock.pass(60_000);
  await store.add(wav("c", "one"));
  await mkdir(join(directory, "cache"));
  for (const file of ["cache/x.rows", "cache/x.index", "checkpoint", "history", "roles.previous.json"])
    await writeFile(join(directory, file), "x");
  const events: string[] = [];
  const erase = createErase(nodeDisk, openRandomAccess);
  const isRunning = { round: false };
  const told =
    <Of>(event: string, act: (of: Of) => Promise<void>) =>
    async (of: Of) => {
      events.push(event);
      await act(of);
    };
  const options = {
    store: { all: store.all, erase: told("store", store.erase) },
    traces: ["cache", "checkpoint", "never there"].map((name) => join(directory, name)),
    spares: [join(directory, "roles.previous.json")],
    erase: told("trace", erase),
    async whileIdle<T>(act: () => Promise<T>): Promise<T> {
      if (isRunning.round) throw new LichenError("ROUND_RUNNING");
      return act();
    },
    disk: nodeDisk,
    clock,
  };
  const isThere = (name: string) =>
    access(join(directory, name)).then(
      () => true,
      () => false,
    );
  const left = () => store.all().map(({ sha256 }) => ["a", "b", "c"].find((text) => hashOf(text) === sha256));
  return { options, events, isRunning, isThere, left, clock, store };
}

test.each([
  [{ all: true }, []],
  [{ labels: ["one"] }, ["b"]],
  [{ labels: [null] }, ["a", "c"]],
  [{ labels: ["one"], olderThanSeconds: 60 }, ["b", "c"]],
  [{ sha256s: [hashOf("c").slice(0, 8), hashOf("b")] }, ["a"]],
] as [Selector, string[]][])("%j goes, the rest stays", async (selector, rest) => {
  const { options, left } = await board();
  expect(await purge(selector, options)).toMatchObject({ erased: 3 - rest.length });
  expect(left()).toEqual(rest);
});

test("cached activations and the checkpoint go first, so that nothing of a sample outlives it", async () => {
  const { options, events, isThere } = await board();
  await purge({ labels: [null] }, options);
  expect(events).toEqual(["trace", "trace", "trace", "trace", "trace", "store"]);
  for (const file of ["cache/x.rows", "cache/x.index", "checkpoint", "roles.previous.json"])
    expect(await isThere(file)).toBe(false);
  expect(await isThere("history")).toBe(true);
});

test("a checkpoint half erased when the power went is erased by the next purge", async () => {
  const { options, isThere } = await board();
  await rename(options.traces[1]!, `${options.traces[1]}${ERASING}`);
  await purge({ labels: [null] }, options);
  expect(await isThere(`checkpoint${ERASING}`)).toBe(false);
});

test("while a round runs, and where nothing is meant, nothing is touched", async () => {
  const { options, isRunning, events, left } = await board();
  await expect(purge({ sha256s: ["0000"] }, options)).rejects.toMatchObject({ code: "NO_SUCH_SAMPLE" });
  expect(await purge({ labels: ["inbox"] }, options)).toEqual({ erased: 0, bytes: 0, remarks: [] });
  isRunning.round = true;
  await expect(purge({ all: true }, options)).rejects.toMatchObject({ code: "ROUND_RUNNING" });
  expect(events).toEqual([]);
  expect(left()).toHaveLength(3);
});

test("samples of before the start are as old as the clock says; of the future, they are old enough", async () => {
  const { store } = await board();
  const [sample] = store.all();
  const ages = (arrivedAtMs: number, olderThanSeconds: number) =>
    selected([{ ...sample!, arrivedMs: null, arrivedAtMs }], { olderThanSeconds }, { monotonicMs: 0, wallMs: 100_000 });
  expect(ages(40_000, 60)).toHaveLength(1);
  expect(ages(40_001, 60)).toHaveLength(0);
  expect(ages(4e12, 1e9)).toHaveLength(1);
});

test.each([{}, { all: true, labels: ["one"] }, { all: false }, { labels: [] }, { sha256s: ["xyz"] }, { age: 3 }])(
  "%j selects nothing",
  (selector) => {
    expect(selectorSchema.safeParse(selector).success).toBe(false);
  },
);
