import { copyFile, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Disk, nodeDisk } from "../../../device/disk/disk.ts";
import type { SampleStore } from "../../../device/samples/store.ts";
import { atEveryStep, bytesOf, dyingDisk, temporaryFolder } from "../fixtures.ts";
import { hashOf, indexPath, journalPath, opened, wav } from "./stores.ts";

const known = (store: SampleStore) =>
  store
    .all()
    .map(({ label, origin, source, prediction, sequence }) => ({ label, origin, source, prediction, sequence }));

const PREDICTION = { label: "one", confidence: 0.75, adapter: null };

/** A folder with a sample of each kind, its store stopped. */
async function filled(): Promise<{ directory: string; before: ReturnType<typeof known> }> {
  const directory = await temporaryFolder();
  const store = await opened(directory);
  await store.add({ ...wav("a", "one"), source: "watch" });
  await store.add({ ...wav("b", null), source: "http", prediction: PREDICTION });
  await store.add({ ...wav("c", "inbox"), origin: "confidence", prediction: PREDICTION });
  await store.label(hashOf("a"), "two words", "person");
  await store.label(hashOf("c"), "inbox", "person");
  await store.stop();
  return { directory, before: known(store) };
}

test("source, origin, prediction and order are there after a restart", async () => {
  const { directory, before } = await filled();
  expect(before).toEqual([
    { label: "two words", origin: "person", source: "watch", prediction: null, sequence: 1 },
    { label: null, origin: null, source: "http", prediction: PREDICTION, sequence: 2 },
    { label: "inbox", origin: "person", source: null, prediction: PREDICTION, sequence: 3 },
  ]);
  expect(known(await opened(directory))).toEqual(before);
});

test("an index that is gone is made again of the files and the journal", async () => {
  const { directory, before } = await filled();
  await rm(indexPath(directory));
  expect(known(await opened(directory))).toEqual(before);
});

test("an index that lags behind, as after a power cut, learns the rest from the journal", async () => {
  const { directory } = await filled();
  await copyFile(indexPath(directory), join(directory, "old"));
  const store = await opened(directory);
  await store.label(hashOf("a"), "inbox", "person");
  await store.label(hashOf("b"), "one", "sensor");
  await store.add(wav("d", null));
  await store.stop();
  await copyFile(join(directory, "old"), indexPath(directory));
  expect(known(await opened(directory))).toEqual(known(store));
});

test("an index damaged anywhere is read right or made anew; nothing is lost and nothing crashes", async () => {
  const { directory, before } = await filled();
  const whole = await readFile(indexPath(directory));
  const damage = fc.record({
    at: fc.integer({ min: 0, max: whole.length - 1 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 600 }),
    cut: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(damage, async ({ at, bytes, cut }) => {
      await writeFile(indexPath(directory), whole);
      if (cut) await truncate(indexPath(directory), at);
      else {
        const damaged = Buffer.from(whole);
        damaged.set(bytes.subarray(0, whole.length - at), at);
        await writeFile(indexPath(directory), damaged);
      }
      const store = await opened(directory);
      expect(known(store)).toEqual(before);
      await store.add(wav("more", "one"));
      await store.erase([hashOf("more")]);
      await store.stop();
    }),
    { numRuns: 25 },
  );
});

test("with index and journal gone, labels are what the folders say", async () => {
  const { directory } = await filled();
  await rm(join(directory, ".index"), { recursive: true });
  const store = await opened(directory);
  expect(store.all().map(({ sha256, label, origin }) => [sha256, label, origin])).toEqual(
    expect.arrayContaining([
      [hashOf("a"), "two words", "folder"],
      [hashOf("b"), null, null],
      [hashOf("c"), "inbox", "folder"],
    ]),
  );
});

test("a folder of before there was an index is taken over, oldest first", async () => {
  const directory = await temporaryFolder();
  await mkdir(join(directory, "one"));
  for (const text of ["first", "second"]) {
    await writeFile(join(directory, "one", `${hashOf(text)}.wav`), text);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  const store = await opened(directory);
  expect(store.list().map(({ sha256, label, bytes, origin }) => [sha256, label, bytes, origin])).toEqual([
    [hashOf("first"), "one", 5, "folder"],
    [hashOf("second"), "one", 6, "folder"],
  ]);
  await store.add(wav("third", "one"));
  expect(
    (await opened(directory))
      .list()
      .map(({ sha256 }) => sha256)
      .at(-1),
  ).toBe(hashOf("third"));
});

test("of a sample that lies in two folders one stays, under the label given last", async () => {
  const { directory } = await filled();
  await writeFile(join(directory, "one", `${hashOf("a")}.wav`), "a");
  const store = await opened(directory);
  expect(store.all().find(({ sha256 }) => sha256 === hashOf("a"))?.label).toBe("two words");
  expect(await readdir(join(directory, "one"))).toEqual([]);
});

test("classes that the model has no more are kept, not trained on", async () => {
  const { directory } = await filled();
  const store = await opened(directory, { labels: ["inbox"] });
  expect(store.list().map(({ label }) => label)).toEqual(["inbox"]);
  expect(store.all()).toHaveLength(3);
});

test.each(["kept", "lost", "old"] as const)(
  "whatever step the power goes at, with the index %s no acknowledged label is lost or without its origin",
  async (index) => {
    const steps = await atEveryStep(async (step) => {
      const directory = await temporaryFolder();
      const first = await opened(directory);
      await first.add({ ...wav("a", null), source: "http" });
      await first.stop();
      await copyFile(indexPath(directory), join(directory, "old"));
      const { disk, died } = dyingDisk(nodeDisk, step);
      let acknowledged: [string | null, string | null] = [null, null];
      const tried: [string | null, string | null][] = [acknowledged];
      const store = await opened(directory, { disk }).catch(() => undefined);
      for (const [label, origin] of [
        ["one", "confidence"],
        ["two words", "person"],
        [null, "person"],
      ] as const) {
        tried.push([label, origin]);
        const done = await store?.label(hashOf("a"), label, origin).catch(() => undefined);
        if (done === undefined) break;
        acknowledged = [label, origin];
      }
      await store?.stop();
      if (index === "lost") await rm(indexPath(directory));
      if (index === "old") await copyFile(join(directory, "old"), indexPath(directory));
      const [sample, ...others] = (await opened(directory)).all();
      expect(others).toEqual([]);
      expect(sample?.source).toBe("http");
      const found = [sample?.label, sample?.origin];
      // What was under way may have come to pass; nothing else may.
      expect([acknowledged, tried.at(-1)]).toContainEqual(found);
      return died();
    });
    expect(steps).toBeGreaterThan(8);
  },
);

test("a journal with a torn end, rubbish in it or a line changed gives all its whole lines", async () => {
  const { directory, before } = await filled();
  const journal = await readFile(journalPath(directory), "utf8");
  await writeFile(
    journalPath(directory),
    `${journal}12345678 {"sha256":"ha"}\n\0\0\0\0${journal.split("\n")[1]!.slice(0, 50)}`,
  );
  await rm(indexPath(directory));
  const store = await opened(directory);
  expect(known(store)).toEqual(before);
  await store.label(hashOf("b"), "one", "mqtt");
  await store.stop();
  await rm(indexPath(directory));
  expect(known(await opened(directory))).toEqual(known(store));
});

test("the journal is written anew before it grows without bound, and nothing is lost over it", async () => {
  const directory = await temporaryFolder();
  const store = await opened(directory);
  await store.add({ ...wav("a", "one"), source: "x".repeat(2000) });
  for (let change = 0; change < 60; change++) {
    await store.label(hashOf("a"), change % 2 === 0 ? "inbox" : "one", "person");
  }
  expect((await stat(journalPath(directory))).size).toBeLessThan(70_000);
  expect(known(await opened(directory))).toEqual(known(store));
  await store.stop();
  await rm(indexPath(directory));
  expect(known(await opened(directory))).toEqual(known(store));
});

test("a journal that could not be written anew is the old one, and goes on", async () => {
  const directory = await temporaryFolder();
  let isFull = false;
  const disk: Disk = {
    ...nodeDisk,
    write: (path, bytes) =>
      isFull ? Promise.reject(new Error("no space left on device")) : nodeDisk.write(path, bytes),
  };
  const store = await opened(directory, { disk });
  await store.add({ ...wav("a", "one"), source: "microphone" });
  await store.add({ ...wav("b", "one"), source: "microphone" });
  isFull = true;
  await expect(store.erase([hashOf("b")])).rejects.toMatchObject({ code: "STORAGE_FAILED" });
  isFull = false;
  await store.add({ ...wav("c", "one"), source: "camera" });
  await store.stop();
  await rm(indexPath(directory));
  expect((await opened(directory)).all().map(({ source }) => source)).toEqual(["microphone", "camera"]);
});

test("the longest of the store's own file names fits where names may have 255 bytes", () => {
  expect(bytesOf(`${"f".repeat(64)}.safetensors.erasing`).length).toBeLessThan(255);
});
