import { LichenError } from "../errors.ts";

/**
 * Rows of fixed size by key: the frontier activations of one sample, all values side by side (`layout.ts`). It is a cache: whatever
 * a key stands for can be computed again, so rows may vanish, but a row that is read is the one that was written.
 */
export interface RowStore {
  readonly rowBytes: number;
  /** Rows that can be found. */
  readonly count: number;
  /** Row number of a key; undefined where it is not, or no longer whole. @param key 64 hexadecimal digits */
  find(key: string): number | undefined;
  /**
   * A key that is there keeps its row. The bytes may be used again when this resolves, not before.
   * @throws BAD_ARGUMENT; CACHE_FULL at the size bound; STORAGE_FAILED, after which the store goes on as if nothing had been tried.
   */
  append(key: string, row: Uint8Array): Promise<number>;
  /**
   * Rows one behind the other, in the order asked for, in a buffer of their own.
   * @throws CACHE_DAMAGED when some are not what was written, or never were: their keys are not found any more, and to be appended again.
   */
  read(rows: readonly number[]): Promise<Uint8Array>;
  /** Gives up the rows of all other keys, whose numbers may then come to mean new rows. */
  keepOnly(keys: ReadonlySet<string>): void;
  /** Waits for what is under way. */
  close(): Promise<void>;
}

/** @throws BAD_ARGUMENT */
export function checkRow(store: { rowBytes: number }, key: string, row: Uint8Array): void {
  if (!/^[0-9a-f]{64}$/.test(key)) {
    throw new LichenError("BAD_ARGUMENT", { at: "row key", found: key, wanted: "64 hexadecimal digits" });
  }
  if (row.length !== store.rowBytes) {
    throw new LichenError("BAD_ARGUMENT", {
      at: `row ${key}`,
      found: `${row.length} bytes`,
      wanted: `${store.rowBytes} bytes`,
    });
  }
}

export const cacheFull = (count: number, maxBytes: number) =>
  new LichenError("CACHE_FULL", { found: `${count} rows`, wanted: `at most ${maxBytes} bytes` });

export const rowsDamaged = ([first, ...others]: readonly number[]) =>
  new LichenError("CACHE_DAMAGED", { at: `row ${first}${others.length > 0 ? ` and ${others.length} more` : ""}` });
