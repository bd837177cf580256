import { expect } from "vitest";
import { openRowFile } from "../../../device/cache/row-file.ts";
import type { RowStore } from "../../../runtime/cache/index.ts";
import { keyOf, rowOf } from "../../runtime/cache/contract.ts";
import { type TestFiles, testFiles } from "./faults.ts";

export const ROW_BYTES = 50;
export const [ROWS, INDEX] = ["cache/store.rows", "cache/store.index"];
export const openIn = ({ open }: TestFiles, options: { maxBytes?: number; rowBytes?: number } = {}) =>
  openRowFile({ folder: "cache", name: "store", rowBytes: ROW_BYTES, maxBytes: 1_000_000, open, ...options });
export const put = (store: RowStore, name: number) => store.append(keyOf(name), rowOf(name, store.rowBytes));

export async function filled(names: Iterable<number>, files = testFiles()): Promise<TestFiles> {
  const store = await openIn(files);
  for (const name of names) await put(store, name);
  await store.close();
  return files;
}

/** Of the names, those whose rows are there; fails where a row is there that is not what was written. */
export async function wholeRows(store: RowStore, names: Iterable<number>): Promise<number[]> {
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
export async function isUsable(files: TestFiles, names: readonly number[]): Promise<number[]> {
  const store = await openIn(files);
  const whole = await wholeRows(store, names);
  for (const name of names) await put(store, name);
  expect(await wholeRows(store, names)).toEqual(names);
  await store.close();
  expect(await wholeRows(await openIn(files), names)).toEqual(names);
  return whole;
}

export const names = (count: number) => Array.from({ length: count }, (_, name) => name);
