import { readdir, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { keepOnlyRowFiles, openRowFile } from "../../../device/cache/row-file.ts";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { openRandomAccess } from "../../../device/disk/random-access.ts";
import { keyOf, rowOf, rowStoreContract } from "../../runtime/cache/contract.ts";
import { temporaryFolder } from "../fixtures.ts";
import { testFiles } from "./faults.ts";
import { filled, INDEX, isUsable, names, openIn, put, ROW_BYTES, ROWS, wholeRows } from "./stores.ts";

rowStoreContract("files", async (options) =>
  openRowFile({ folder: join(await temporaryFolder(), "cache"), name: "store", ...options }),
);

test("rows are there again when the store opens again, on a real disk", async () => {
  const folder = await temporaryFolder();
  const options = { folder, name: "store", rowBytes: 3000, maxBytes: 10_000_000 };
  const store = await openRowFile(options);
  for (const name of names(1000)) await put(store, name);
  await store.close();
  expect((await stat(join(folder, "store.rows"))).size).toBe(3_000_000);
  const again = await openRowFile(options);
  expect(again.count).toBe(1000);
  const order = names(1000).reverse();
  const bytes = await again.read(order.map((name) => again.find(keyOf(name))!));
  order.forEach((name, at) => {
    expect(Buffer.compare(bytes.subarray(at * 3000, (at + 1) * 3000), rowOf(name, 3000))).toBe(0);
  });
  await again.close();
});

test("a row cut short on a real disk is absent, and appended again", async () => {
  const folder = await temporaryFolder();
  const options = { folder, name: "store", rowBytes: ROW_BYTES, maxBytes: 10_000 };
  const store = await openRowFile(options);
  for (const name of names(3)) await put(store, name);
  await store.close();
  await truncate(join(folder, "store.rows"), 2 * ROW_BYTES + 1);
  const again = await openRowFile(options);
  expect(await wholeRows(again, names(3))).toEqual([0, 1]);
  await put(again, 2);
  expect(await wholeRows(again, names(3))).toEqual([0, 1, 2]);
  await again.close();
});

describe("a full disk", () => {
  test("at any step refuses that row alone: the rest stays, and later rows are taken when there is room again", async () => {
    const scenario = async (step: number, leaves: number) => {
      const files = await filled(names(3));
      const store = await openIn(files);
      files.failAt(step, { leaves, forGood: false });
      const refused: number[] = [];
      for (const name of [3, 4, 5]) {
        await put(store, name).catch((error) => {
          expect(error).toMatchObject({ code: "STORAGE_FAILED" });
          refused.push(name);
        });
      }
      if (!files.failed()) return false;
      expect(refused).toHaveLength(1);
      const kept = names(6).filter((name) => !refused.includes(name));
      expect(await wholeRows(store, names(6))).toEqual(kept);
      await put(store, refused[0]!);
      expect(await wholeRows(store, names(6))).toEqual(names(6));
      await isUsable(files, names(6));
      return true;
    };
    for (const leaves of [0, 1, 39, 49]) {
      let step = 1;
      while (await scenario(step, leaves)) step++;
      expect(step).toBe(7);
    }
  });

  test("costs no room under the bound", async () => {
    const files = await filled(names(3));
    const store = await openIn(files, { maxBytes: 40 + 4 * 90 });
    files.failAt(1, { leaves: 10, forGood: false });
    await expect(put(store, 3)).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    await put(store, 4);
    expect(await wholeRows(store, names(5))).toEqual([0, 1, 2, 4]);
  });

  test("while the store opens is told, and leaves what was there", async () => {
    for (const step of [1, 2]) {
      const files = await filled(names(3));
      files.failAt(step, { leaves: 0, forGood: true });
      await expect(openIn(files)).rejects.toMatchObject({ code: "STORAGE_FAILED" });
      expect(await isUsable(testFiles(files.contents), names(3))).toEqual(names(3));
    }
  });

  test("where there is no folder and none can be made is told", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "file"), "");
    const options = { folder: join(folder, "file"), name: "store", rowBytes: 1, maxBytes: 100 };
    await expect(openRowFile(options)).rejects.toMatchObject({ code: "STORAGE_FAILED" });
  });
});

test("a store that has become too large for its bound gives up its last rows", async () => {
  const files = await filled(names(6));
  const store = await openIn(files, { maxBytes: 40 + 4 * 90 + 89 });
  expect(await wholeRows(store, names(6))).toEqual(names(4));
  expect(files.contents.get(ROWS)!.length + files.contents.get(INDEX)!.length).toBe(400);
  await expect(put(store, 9)).rejects.toMatchObject({ code: "CACHE_FULL" });
});

test("rows of another size begin anew", async () => {
  const files = await filled(names(3));
  const store = await openIn(files, { rowBytes: 25 });
  expect(store.count).toBe(0);
  expect(await put(store, 1)).toBe(0);
});

test("rows next to each other are read in one go, from the front to the end, and never more than a mebibyte", async () => {
  const rowBytes = 100_000;
  const folder = await temporaryFolder();
  const reads: { position: number; bytes: number }[] = [];
  const store = await openRowFile({
    folder,
    name: "store",
    rowBytes,
    maxBytes: 100_000_000,
    open: async (path) => {
      const file = await openRandomAccess(path);
      return {
        ...file,
        read: (into, position) => {
          if (path.endsWith(".rows")) reads.push({ position: position / rowBytes, bytes: into.length });
          return file.read(into, position);
        },
      };
    },
  });
  for (const name of names(40)) await put(store, name);
  await store.read([30, 5, 3, 4, 5, 31]);
  expect(reads).toEqual([
    { position: 3, bytes: 300_000 },
    { position: 30, bytes: 200_000 },
  ]);
  reads.length = 0;
  await store.read(names(40));
  expect(reads.map(({ position }) => position)).toEqual([0, 10, 20, 30]);
  await store.close();
});

test("the files of other stores are removed, and no others", async () => {
  const folder = await temporaryFolder();
  for (const name of ["keep", "old"])
    await openRowFile({ folder, name, rowBytes: 1, maxBytes: 100 }).then((s) => s.close());
  await writeFile(join(folder, "old.json"), "");
  await keepOnlyRowFiles(nodeDisk, folder, new Set(["keep"]));
  expect((await readdir(folder)).sort()).toEqual(["keep.index", "keep.rows", "old.json"]);
});
