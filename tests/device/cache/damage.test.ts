import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openRowFile } from "../../../device/cache/row-file.ts";
import { keyOf } from "../../runtime/cache/contract.ts";
import { changed, testFiles } from "./faults.ts";
import { filled, INDEX, isUsable, names, openIn, put, ROW_BYTES, ROWS, wholeRows } from "./stores.ts";

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
