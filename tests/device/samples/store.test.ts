import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { atEveryStep, dyingDisk, temporaryFolder } from "../fixtures.ts";
import { opened, wav } from "./stores.ts";

const seen = (store: { list(): readonly { label: string; bytes: number }[] }) =>
  store.list().map(({ label, bytes }) => [label, bytes]);

test("a stored sample is there after a restart, under its label", async () => {
  const directory = await temporaryFolder();
  expect(await (await opened(directory)).add(wav("a sound", "two words"))).toBe("stored");
  const [sample] = (await opened(directory)).list();
  expect(sample?.label).toBe("two words");
  expect(await readFile(sample!.path, "utf8")).toBe("a sound");
});

test("the same bytes again are known; with another label the newest label wins, also after a restart", async () => {
  const directory = await temporaryFolder();
  const store = await opened(directory);
  await store.add(wav("sound", "one"));
  expect(await store.add(wav("sound", "one"))).toBe("known");
  expect(await store.add(wav("sound", "inbox"))).toBe("relabelled");
  expect(seen(store)).toEqual([["inbox", 5]]);
  expect(seen(await opened(directory))).toEqual([["inbox", 5]]);
});

test("a class that the model does not know is refused", async () => {
  const store = await opened(await temporaryFolder());
  await expect(store.add(wav("x", "three"))).rejects.toMatchObject({ code: "UNKNOWN_CLASS" });
});

test("the same sample twice at once is stored once", async () => {
  const store = await opened(await temporaryFolder());
  const outcomes = await Promise.all([store.add(wav("x", "one")), store.add(wav("x", "one"))]);
  expect(outcomes).toEqual(["stored", "known"]);
});

test("half-written files are cleared at the start, and strangers left alone", async () => {
  const directory = await temporaryFolder();
  await (await opened(directory)).add(wav("x", "one"));
  await writeFile(join(directory, "one", `${"a".repeat(64)}.wav.tmp`), "ha");
  await writeFile(join(directory, "one", "notes.txt"), "mine");
  expect(seen(await opened(directory))).toEqual([["one", 1]]);
  expect((await readdir(join(directory, "one"))).sort()).toEqual([expect.stringMatching(/^2d7/), "notes.txt"].sort());
});

test("beyond its bytes the oldest of the biggest class goes, never the sample just acknowledged", async () => {
  const store = await opened(await temporaryFolder(), { maxBytes: 10 });
  for (const [text, label] of [
    ["aaaa", "one"],
    ["bbb", "inbox"],
    ["cc", "one"],
    ["dddd", "inbox"],
  ] as const) {
    await store.add(wav(text, label));
  }
  expect(seen(store)).toEqual([
    ["one", 4],
    ["one", 2],
    ["inbox", 4],
  ]);
  await store.add(wav("e".repeat(50), "one"));
  expect(seen(store)).toContainEqual(["one", 50]);
});

test("whatever step the power goes at, what was acknowledged is there and nothing is half there", async () => {
  const steps = await atEveryStep(async (step) => {
    const directory = await temporaryFolder();
    await (await opened(directory)).add(wav("first", "one"));
    const { disk, died } = dyingDisk(nodeDisk, step);
    const acknowledged = new Set(["first"]);
    await (async () => {
      const store = await opened(directory, { disk });
      for (const text of ["second", "third"]) {
        await store.add(wav(text, "inbox"));
        acknowledged.add(text);
      }
    })().catch(() => undefined);
    const found = await Promise.all((await opened(directory)).list().map(({ path }) => readFile(path, "utf8")));
    expect(["first", "second", "third"]).toEqual(expect.arrayContaining(found));
    expect(found).toEqual(expect.arrayContaining([...acknowledged]));
    return died();
  });
  expect(steps).toBeGreaterThan(8);
});

test("whatever step the power goes at, a relabelled sample has one label", async () => {
  await atEveryStep(async (step) => {
    const directory = await temporaryFolder();
    await (await opened(directory)).add(wav("sound", "one"));
    const { disk, died } = dyingDisk(nodeDisk, step);
    const outcome = await opened(directory, { disk })
      .then((store) => store.add(wav("sound", "inbox")))
      .catch(() => "failed");
    const found = (await opened(directory)).list().map(({ label }) => label);
    expect(found).toHaveLength(1);
    if (outcome === "relabelled") expect(found).toEqual(["inbox"]);
    return died();
  });
});
