import { cacheFull, checkRow, type RowStore, rowsDamaged } from "./rows.ts";
import { createSlots } from "./slots.ts";

/** Rows in memory, for data sets that fit. */
export function createMemoryRows({ rowBytes, maxBytes }: { rowBytes: number; maxBytes: number }): RowStore {
  const slots = createSlots(Math.floor(maxBytes / rowBytes));
  const kept: Uint8Array[] = [];
  return {
    rowBytes,
    get count() {
      return slots.count;
    },
    find: slots.find,
    async append(key, row) {
      checkRow({ rowBytes }, key, row);
      const present = slots.find(key);
      if (present !== undefined) return present;
      const at = slots.reserve();
      if (at === undefined) throw cacheFull(slots.count, maxBytes);
      // Not by slice, which shares in Buffers.
      kept[at] = new Uint8Array(row);
      slots.fill(at, key);
      return at;
    },
    async read(rows) {
      const unknown = rows.filter((row) => !slots.holds(row));
      if (unknown.length > 0) throw rowsDamaged(unknown);
      const bytes = new Uint8Array(rows.length * rowBytes);
      rows.forEach((row, at) => void bytes.set(kept[row]!, at * rowBytes));
      return bytes;
    },
    keepOnly: slots.keepOnly,
    close: async () => {},
  };
}
