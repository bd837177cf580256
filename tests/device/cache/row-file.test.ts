import { readdir, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keepOnlyRowFiles, openRowFile } from "../../../device/cache/row-file.ts";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { openRandomAccess } from "../../../device/disk/random-access.ts";
import type { RowStore } from "../../../runtime/cache/index.ts";
import { keyOf, rowOf, rowStoreContract } from "../../runtime/cache/contract.ts";
import { temporaryFolder } from "../fixtures.ts";
import { changed, type TestFiles, testFiles } from "./faults.ts";

rowStoreContract("files", async (options) =>
  openRowFile({ folder: join(await temporaryFolder(), "cache"), name: "store", ...options }),
);

const ROW_BYTES = 50;
const [ROWS, INDEX] = ["cache/store.rows", "cache/store.index"];
const openIn = ({ open }: TestFiles, options: { maxBytes?: number; rowBytes?: number } = {}) =>
  openRowFile({ folder: "cache", name: "store", rowBytes: ROW_BYTES, maxBytes: 1_000_000, open, ...options });
const put = (store: RowStore, name: number) => store.append(keyOf(name), rowOf(name, store.rowBytes));

async function filled(names: Iterable<number>, files = testFiles()): Promise<TestFiles> {
  const store = await openIn(files);
  for (const name of names) await put(store, name);
  await store.close();
  return files;
}

/** Of the names, those whose rows are there; fails where a row is there that is not what was written. */
async function wholeRows(store: RowStore, names: Iterable<number>): Promise<number[]> {
  const whole: number[] = [];
  for (const name of names) {
    const row = store.find(keyOf(name));
    if (row === undefined) continue;
    try {
      expect(await store.read([row])).toEqual(rowOf(name, store.rowBytes));
      whole.push(name);
    } catch (error) {
      expect(error).toMatchObject({ code: "CACHE_DAMAGED" });
      expect(store.find(keyOf(name))).toBe(undefined);
    }
  }
  return whole;
}

/** What must hold after anything whatever: every row read is right, and the store takes all rows again and keeps them. */
async function isUsable(files: TestFiles, names: readonly number[]): Promise<number[]> {
  const store = await openIn(files);
  const whole = await wholeRows(store, names);
  for (const name of names) await put(store, name);
  expect(await wholeRows(store, names)).toEqual(names);
  await store.close();
  expect(await wholeRows(await openIn(files), names)).toEqual(names);
  return whole;
}

const names = (count: number) => Array.from({ length: count }, (_, name) => name);

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

describe("whatever happens to the files, rows that are read are right, and the store is usable", () => {
  const count = 6;

  test("after any truncation of either file; whole rows before the cut stay", async () => {
    const original = await filled(names(count));
    const cut = (path: string) => fc.nat(original.contents.get(path)!.length);
    await fc.assert(
      fc.asyncProperty(cut(ROWS), cut(INDEX), async (rowsLength, indexLength) => {
        const contents = new Map([
          [ROWS, original.contents.get(ROWS)!.slice(0, rowsLength)],
          [INDEX, original.contents.get(INDEX)!.slice(0, indexLength)],
        ]);
        const left = Math.max(0, Math.min(Math.floor(rowsLength / ROW_BYTES), Math.floor(indexLength / 40) - 1));
        expect((await openIn(testFiles(new Map(contents)))).count).toBe(left);
        expect(await isUsable(testFiles(contents), names(count))).toEqual(names(left));
      }),
      { numRuns: 200 },
    );
  });

  test("after any bytes anywhere; only the rows that they hit are lost", async () => {
    const original = await filled(names(count));
    const damage = fc.record({ at: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 60 }) });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(ROWS, INDEX), damage, async (path, { at, bytes }) => {
        const before = original.contents.get(path)!;
        const position = at % before.length;
        const after = changed(before, { path, position, bytes });
        const size = path === ROWS ? ROW_BYTES : 40;
        const unhurt = (name: number) => {
          const place = path === ROWS ? name : name + 1;
          const part = (file: Uint8Array, piece: number) =>
            Buffer.from(file.subarray(piece * size, (piece + 1) * size));
          const header = path === ROWS || part(before, 0).equals(part(after, 0));
          return header && part(before, place).equals(part(after, place));
        };
        const files = testFiles(new Map([...original.contents, [path, after]]));
        expect(await isUsable(files, names(count))).toEqual(names(count).filter(unhurt));
      }),
      { numRuns: 200 },
    );
  });

  test("after files of any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 200 }), async (rows, index) => {
        const files = testFiles(
          new Map([
            [ROWS, rows],
            [INDEX, index],
          ]),
        );
        expect(await isUsable(files, names(count))).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  test("after a power cut that let any of the writes through, whole or in part, rows given up and replaced among them", async () => {
    const files = await filled(names(count));
    const store = await openIn(files);
    store.keepOnly(new Set([keyOf(0), keyOf(4)]));
    for (const name of [10, 11, 12, 13, 14]) await put(store, name);
    const all = [...names(count), 10, 11, 12, 13, 14];
    const fate = fc.oneof(
      { weight: 3, arbitrary: fc.constant(1) },
      fc.constant(0),
      fc.double({ min: 0, max: 1, noNaN: true }),
    );
    const fates = fc.array(fate, { minLength: files.changes.length, maxLength: files.changes.length });
    await fc.assert(
      fc.asyncProperty(fates, async (shares) => {
        const left = new Map<string, Uint8Array>([
          [ROWS, new Uint8Array(0)],
          [INDEX, new Uint8Array(0)],
        ]);
        files.changes.forEach((change, at) => {
          const share = shares[at]!;
          if (share === 0) return;
          const bytes = change.bytes?.slice(0, Math.ceil(change.bytes.length * share)) ?? null;
          left.set(change.path, changed(left.get(change.path)!, { ...change, bytes }));
        });
        await isUsable(testFiles(left), all);
      }),
      { numRuns: 200 },
    );
  });
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

describe("damage found while reading", () => {
  test("costs the rows that it hit, for good, and no number comes to mean another row", async () => {
    const files = await filled(names(4));
    const store = await openIn(files);
    const rows = files.contents.get(ROWS)!;
    rows[ROW_BYTES] = ~rows[ROW_BYTES]!;
    await expect(store.read([0, 1, 2])).rejects.toMatchObject({ code: "CACHE_DAMAGED" });
    expect([store.count, store.find(keyOf(1))]).toEqual([3, undefined]);
    expect(await put(store, 9)).not.toBe(1);
    await expect(store.read([1])).rejects.toMatchObject({ code: "CACHE_DAMAGED" });
    await store.close();
    const again = await openIn(files);
    expect(await wholeRows(again, [0, 1, 2, 3, 9])).toEqual([0, 2, 3, 9]);
    expect(await put(again, 1)).toBe(1);
  });

  test("by a medium that refuses to read is damage like any other", async () => {
    const files = await filled(names(4));
    const store = await openRowFile({
      folder: "cache",
      name: "store",
      rowBytes: ROW_BYTES,
      maxBytes: 10_000,
      open: async (path) => {
        const file = await files.open(path);
        const broken = (at: number, length: number) => path === ROWS && at <= ROW_BYTES && ROW_BYTES < at + length;
        return {
          ...file,
          read: (into, at) => (broken(at, into.length) ? Promise.reject(new Error("EIO")) : file.read(into, at)),
        };
      },
    });
    expect(await wholeRows(store, names(4))).toEqual([0, 2, 3]);
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
