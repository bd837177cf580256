import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RowStore } from "../../../runtime/cache/index.ts";

export const keyOf = (name: string | number): string => createHash("sha256").update(String(name)).digest("hex");

/** A row that belongs to its name alone. */
export function rowOf(name: string | number, rowBytes: number): Uint8Array {
  const pattern = createHash("sha512").update(`row ${name}`).digest();
  return Uint8Array.from({ length: rowBytes }, (_, at) => pattern[at % pattern.length]! ^ (at >> 6));
}

const ROW_BYTES = 100;
const AMPLE = 1_000_000;

/** What every driver of the port must do. */
export function rowStoreContract(
  driver: string,
  open: (options: { rowBytes: number; maxBytes: number }) => Promise<RowStore>,
): void {
  const put = (store: RowStore, name: string | number) => store.append(keyOf(name), rowOf(name, store.rowBytes));
  const joined = (names: readonly (string | number)[]) => Buffer.concat(names.map((name) => rowOf(name, ROW_BYTES)));

  describe(`rows in ${driver}`, () => {
    test("are found by their keys, and nothing else is", async () => {
      const store = await open({ rowBytes: ROW_BYTES, maxBytes: AMPLE });
      expect([store.rowBytes, store.count, store.find(keyOf("a"))]).toEqual([ROW_BYTES, 0, undefined]);
      const row = await put(store, "a");
      expect([store.count, store.find(keyOf("a")), store.find(keyOf("b"))]).toEqual([1, row, undefined]);
      expect(await store.read([row])).toEqual(rowOf("a", ROW_BYTES));
      await store.close();
    });

    test("are read in any order and as often as asked for, into one buffer", async () => {
      const store = await open({ rowBytes: ROW_BYTES, maxBytes: AMPLE });
      const rows: number[] = [];
      for (let name = 0; name < 20; name++) rows.push(await put(store, name));
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(19), { maxLength: 50 }), async (names) => {
          const found = await store.read(names.map((name) => rows[name]!));
          expect(Buffer.from(found).equals(joined(names))).toBe(true);
        }),
      );
      await store.close();
    });

    test("keep what they were given, whatever becomes of the buffers", async () => {
      const store = await open({ rowBytes: ROW_BYTES, maxBytes: AMPLE });
      const given = rowOf("a", ROW_BYTES);
      const row = await store.append(keyOf("a"), given);
      given.fill(0);
      (await store.read([row])).fill(0);
      expect(await store.read([row])).toEqual(rowOf("a", ROW_BYTES));
      await store.close();
    });

    test("appended at the same time all arrive; one appended twice is kept once", async () => {
      const store = await open({ rowBytes: ROW_BYTES, maxBytes: AMPLE });
      const names = ["a", "b", "a", "c", "b"];
      const rows = await Promise.all(names.map((name) => put(store, name)));
      expect(store.count).toBe(3);
      expect(Buffer.from(await store.read(rows)).equals(joined(names))).toBe(true);
      await store.close();
    });

    test("of the wrong size, or under what is no key, are refused", async () => {
      const store = await open({ rowBytes: ROW_BYTES, maxBytes: AMPLE });
      await expect(store.append(keyOf("a"), new Uint8Array(99))).rejects.toMatchObject({ code: "BAD_ARGUMENT" });
      await expect(store.append("a", rowOf("a", ROW_BYTES))).rejects.toMatchObject({ code: "BAD_ARGUMENT" });
      expect(store.count).toBe(0);
      await store.close();
    });

    test("that never were cannot be read", async () => {
      const store = await open({ rowBytes: ROW_BYTES, maxBytes: AMPLE });
      const row = await put(store, "a");
      await expect(store.read([row, row + 1])).rejects.toMatchObject({ code: "CACHE_DAMAGED" });
      expect(await store.read([row])).toEqual(rowOf("a", ROW_BYTES));
      await store.close();
    });

    test("are refused at the bound, while those that are there stay", async () => {
      const store = await open({ rowBytes: ROW_BYTES, maxBytes: 1000 });
      const rows: number[] = [];
      await expect(
        (async () => {
          for (let name = 0; name < 20; name++) rows.push(await put(store, name));
        })(),
      ).rejects.toMatchObject({ code: "CACHE_FULL" });
      expect(rows.length).toBeGreaterThanOrEqual(6);
      expect(rows.length).toBeLessThanOrEqual(10);
      expect(await put(store, 0)).toBe(rows[0]);
      expect(Buffer.from(await store.read(rows)).equals(joined([...rows.keys()]))).toBe(true);
      await store.close();
    });

    test("make room when they are given up, and the others stay where they are", async () => {
      const store = await open({ rowBytes: ROW_BYTES, maxBytes: 700 });
      const before = await Promise.all(["a", "b", "c", "d"].map((name) => put(store, name)));
      store.keepOnly(new Set([keyOf("b"), keyOf("d"), keyOf("none")]));
      expect(store.count).toBe(2);
      expect(["a", "b", "c", "d"].map((name) => store.find(keyOf(name)))).toEqual([
        undefined,
        before[1],
        undefined,
        before[3],
      ]);
      const after = await Promise.all(["e", "f"].map((name) => put(store, name)));
      const rows = [before[1]!, before[3]!, ...after];
      expect(Buffer.from(await store.read(rows)).equals(joined(["b", "d", "e", "f"]))).toBe(true);
      expect(store.find(keyOf("a"))).toBe(undefined);
      await store.close();
    });

    test("may be closed twice", async () => {
      const store = await open({ rowBytes: ROW_BYTES, maxBytes: AMPLE });
      await Promise.all([put(store, "a"), store.close()]);
      await store.close();
    });
  });
}
