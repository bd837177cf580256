/** Which key lies in which row, and which rows are free to be written. */
export interface Slots {
  readonly count: number;
  find(key: string): number | undefined;
  holds(row: number): boolean;
  /** A row to write into, the nobody else's until it is filled or released; undefined at the capacity. */
  reserve(): number | undefined;
  fill(row: number, key: string): void;
  release(row: number): void;
  /** Its key is not found any more. Not free before the next start: somebody may still hold its number and take another's row for it. */
  retire(row: number): void;
  /** Frees the rows of all other keys. */
  keepOnly(keys: ReadonlySet<string>): void;
}

/** @param found keys by row, as a file has them; undefined where a row is free. Of rows with the same key the last one counts. */
export function createSlots(capacity: number, found: readonly (string | undefined)[] = []): Slots {
  const rows = new Map<string, number>();
  const keys = found.slice();
  /** The last one is taken first: in descending order, so that new rows lie close to each other. */
  const free: number[] = [];

  const retire = (row: number) => {
    const key = keys[row];
    if (key !== undefined) rows.delete(key);
    keys[row] = undefined;
  };

  for (let row = keys.length - 1; row >= 0; row--) {
    const key = keys[row];
    if (key !== undefined && !rows.has(key)) rows.set(key, row);
    else {
      keys[row] = undefined;
      free.push(row);
    }
  }

  return {
    get count() {
      return rows.size;
    },
    find: (key) => rows.get(key),
    holds: (row) => keys[row] !== undefined,
    reserve: () => free.pop() ?? (keys.length < capacity ? keys.push(undefined) - 1 : undefined),
    fill(row, key) {
      keys[row] = key;
      rows.set(key, row);
    },
    release: (row) => void free.push(row),
    retire,
    keepOnly(kept) {
      for (let row = keys.length - 1; row >= 0; row--) {
        const key = keys[row];
        if (key === undefined || kept.has(key)) continue;
        retire(row);
        free.push(row);
      }
    },
  };
}
