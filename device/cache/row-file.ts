import { join } from "node:path";
import { cacheFull, checkRow, type RowStore, rowsDamaged } from "../../runtime/cache/rows.ts";
import { createSlots } from "../../runtime/cache/slots.ts";
import type { Disk } from "../disk/disk.ts";
import { storageFailed } from "../disk/durable.ts";
import { type OpenRandomAccess, openRandomAccess, type RandomAccessFile } from "../disk/random-access.ts";
import { oneAtATime } from "../one-at-a-time.ts";
import { bulkCrc32 } from "./bulk-crc32.ts";
import { decodeEntries, ENTRY_BYTES, type Entries, encodeEntry, encodeHeader, entryPosition } from "./entries.ts";

/*
 * Two files a store: `<name>.rows` holds the rows at their places, `<name>.index` the key and checksum of each (`entries.ts`).
 * Nothing is synced, for everything can be computed again, and SD cards wear; so after a power cut anything may be missing, and
 * what is found is believed only as far as its checksum goes: entries when the store opens, rows whenever they are read.
 */

const ROWS = ".rows";
const INDEX = ".index";

/** Rows next to each other are read in one go, up to so much. */
const READ_BYTES = 1024 * 1024;

export interface RowFileOptions {
  folder: string;
  /** `cacheName` */
  name: string;
  rowBytes: number;
  /** Of both files. At the bound, rows are refused: whoever trains needs those that are there. */
  maxBytes: number;
  open?: OpenRandomAccess;
}

/**
 * Rows on disk, for data sets larger than memory: 40 bytes a row are read when it opens. One process at a time.
 * A damaged or foreign index is begun anew. Rows that `keepOnly` gave up and nothing has replaced are there again when it opens.
 * @throws STORAGE_FAILED
 */
export async function openRowFile(options: RowFileOptions): Promise<RowStore> {
  const { folder, name, rowBytes, maxBytes, open = openRandomAccess } = options;
  const path = join(folder, name);
  const opened: RandomAccessFile[] = [];
  try {
    const rows = await open(path + ROWS).then(remember(opened));
    const index = await open(path + INDEX).then(remember(opened));
    const capacity = Math.max(0, Math.floor((maxBytes - ENTRY_BYTES) / (rowBytes + ENTRY_BYTES)));
    const entries = await recover(rows, index, rowBytes, capacity);
    return rowFile({ path, rows, index, rowBytes, maxBytes, capacity, entries });
  } catch (cause) {
    await Promise.all(opened.map((file) => file.close().catch(() => undefined)));
    throw storageFailed(path, cause);
  }
}

/** Removes the files of all other stores: of base models and frontiers that nobody trains from any more. */
export async function keepOnlyRowFiles(disk: Disk, folder: string, names: ReadonlySet<string>): Promise<void> {
  for (const file of await disk.list(folder)) {
    const ending = [ROWS, INDEX].find((suffix) => file.endsWith(suffix));
    if (ending && !names.has(file.slice(0, -ending.length))) await disk.remove(join(folder, file));
  }
}

/** What a power cut, a full disk or a smaller bound has left; torn tails are cut off. */
async function recover(rows: RandomAccessFile, index: RandomAccessFile, rowBytes: number, capacity: number) {
  const bytes = Buffer.alloc(await index.length());
  const entries = decodeEntries(bytes.subarray(0, await index.read(bytes, 0)), rowBytes);
  if (!entries) {
    // The index first: rows that nothing claims are nothing.
    await index.truncate(0);
    await index.write(encodeHeader(rowBytes), 0);
    await rows.truncate(0);
    return { keys: [], checksums: [] };
  }
  const written = Math.floor((await rows.length()) / rowBytes);
  const { keys, checksums } = entries;
  keys.length = Math.min(keys.length, written, capacity);
  while (keys.length > 0 && keys.at(-1) === undefined) keys.pop();
  checksums.length = keys.length;
  await index.truncate(entryPosition(keys.length));
  await rows.truncate(keys.length * rowBytes);
  return entries;
}

interface RowFile {
  path: string;
  rows: RandomAccessFile;
  index: RandomAccessFile;
  rowBytes: number;
  maxBytes: number;
  capacity: number;
  entries: Entries;
}

function rowFile({ path, rows, index, rowBytes, maxBytes, capacity, entries }: RowFile): RowStore {
  const slots = createSlots(capacity, entries.keys);
  const { checksums } = entries;
  const turns = oneAtATime();
  let closed: Promise<unknown> | undefined;

  const isWhole = (row: number, bytes: Uint8Array) => slots.holds(row) && bulkCrc32(bytes) === checksums[row];

  /** Best effort: an entry that stays is found out again. */
  const forget = (row: number) => {
    if (!slots.holds(row)) return;
    slots.retire(row);
    return turns.do(() => index.write(new Uint8Array(ENTRY_BYTES), entryPosition(row))).catch(() => undefined);
  };

  return {
    rowBytes,
    get count() {
      return slots.count;
    },
    find: slots.find,
    async append(key, row) {
      checkRow({ rowBytes }, key, row);
      return turns.do(async () => {
        const present = slots.find(key);
        if (present !== undefined) return present;
        const at = slots.reserve();
        if (at === undefined) throw cacheFull(slots.count, maxBytes);
        try {
          const checksum = bulkCrc32(row);
          // The row first: a row without its entry is nothing, an entry without its row would be a lie.
          await rows.write(row, at * rowBytes);
          await index.write(encodeEntry(key, checksum), entryPosition(at));
          checksums[at] = checksum;
        } catch (cause) {
          slots.release(at);
          throw storageFailed(path, cause);
        }
        slots.fill(at, key);
        return at;
      });
    },
    async read(wanted) {
      const bytes = new Uint8Array(wanted.length * rowBytes);
      const buffer = new Uint8Array(Math.min(bytes.length, Math.max(READ_BYTES, rowBytes)));
      const damaged = new Set<number>();
      for (const { first, count, places } of runs(wanted, Math.floor(buffer.length / rowBytes))) {
        // What could not be read leaves other bytes in the buffer, which the checksums tell like any damage.
        await rows.read(buffer.subarray(0, count * rowBytes), first * rowBytes).catch(() => 0);
        for (const place of places) {
          const row = wanted[place]!;
          const begin = (row - first) * rowBytes;
          const found = buffer.subarray(begin, begin + rowBytes);
          if (isWhole(row, found)) bytes.set(found, place * rowBytes);
          else damaged.add(row);
        }
      }
      if (damaged.size === 0) return bytes;
      for (const row of damaged) await forget(row);
      throw rowsDamaged([...damaged]);
    },
    keepOnly: slots.keepOnly,
    async close() {
      closed ??= turns.do(() => Promise.all([rows.close(), index.close()]));
      await closed;
    },
  };
}

interface Run {
  first: number;
  /** Rows next to each other. */
  count: number;
  /** Where in the order asked for they belong. */
  places: Uint32Array;
}

/** What to read, from the front of the file to its end, at most `most` rows in one go. */
function* runs(wanted: readonly number[], most: number): Generator<Run> {
  const places = Uint32Array.from(wanted.keys()).sort((a, b) => wanted[a]! - wanted[b]!);
  for (let begin = 0; begin < places.length; ) {
    const first = wanted[places[begin]!]!;
    let last = first;
    let end = begin + 1;
    for (; end < places.length; end++) {
      const next = wanted[places[end]!]!;
      if (next > last + 1 || next - first >= most) break;
      last = next;
    }
    yield { first, count: last - first + 1, places: places.subarray(begin, end) };
    begin = end;
  }
}

const remember =
  <T>(list: T[]) =>
  (item: T): T => {
    list.push(item);
    return item;
  };
