import { basename, dirname } from "node:path";
import { crc32 } from "../cache/crc32.ts";
import type { Disk } from "../disk/disk.ts";
import { storageFailed, writeDurably } from "../disk/durable.ts";
import type { EraseFile } from "./erase.ts";
import { type Entry, entrySchema } from "./sample.ts";

/*
 * The journal says who called a sample what, and when it came; the folder that its file lies in says what holds. A line goes to the
 * medium before the file it speaks of is written or moved, so that no label in force is ever without its origin; a line whose change
 * never came to pass says nothing, since the file lies elsewhere. One line an entry, with a checksum before it:
 *
 *   {"generation":17}            the first line: another number whenever the journal has been written anew
 *   8c736521 {"sha256":"2d71…",…}
 *
 * A line that a power cut cut short fails its checksum and is passed over; what is appended after a start begins on a new line.
 */
export interface Journal {
  /** The entries on disk, oldest first; those behind a position of an earlier look where that is still good. */
  read(since?: Position): Promise<{ entries: Entry[]; position: Position }>;
  /** When it resolves the entries are on the medium. @throws STORAGE_FAILED */
  append(entries: readonly Entry[]): Promise<Position>;
  /** Writes it anew with these entries only, and overwrites what it held before. @throws STORAGE_FAILED */
  rewrite(entries: readonly Entry[], generation: number): Promise<Position>;
}

/** How much of which journal. */
export interface Position {
  readonly generation: number;
  readonly bytes: number;
}

/** @param erase overwrites a file before it is removed */
export function createJournal(disk: Disk, path: string, erase: EraseFile): Journal {
  const before = `${path}.before`;
  let position: Position = { generation: 0, bytes: 0 };
  let isTorn = true;
  /** The journal lies under its second name, which it could not be given back. */
  let isAside = false;

  async function putBack(): Promise<void> {
    isAside = true;
    await disk.rename(before, path);
    isAside = false;
  }

  const read = (file: string): Promise<Uint8Array> => disk.read(file).catch(() => new Uint8Array());

  return {
    async read(since) {
      // A power cut while it was written anew may leave the old one under its second name, beside the new one or instead of it.
      const names = new Set(await disk.list(dirname(path)));
      if (names.has(basename(before))) {
        // A disk that takes nothing must not keep a board from starting.
        if (names.has(basename(path))) await erase(before).catch(() => undefined);
        else await putBack().catch(() => undefined);
      }
      const bytes = await read(isAside ? before : path);
      const generation = generationOf(bytes);
      position = { generation, bytes: bytes.length };
      isTorn = bytes.length > 0 && bytes.at(-1) !== NEWLINE;
      const from = since?.generation === generation && since.bytes <= bytes.length ? since.bytes : 0;
      return { entries: entriesIn(bytes.subarray(from)), position };
    },
    async append(entries) {
      const head = position.bytes === 0 ? headerLine(position.generation) : isTorn ? "\n" : "";
      const lines = new TextEncoder().encode(head + entries.map(line).join(""));
      // Should it fail, some of it may be there all the same.
      isTorn = true;
      try {
        if (isAside) await putBack();
        await disk.append(path, lines);
        await disk.sync(path);
        // The file's own entry in its folder, once.
        if (position.bytes === 0) await disk.sync(dirname(path));
      } catch (cause) {
        position = { ...position, bytes: (await read(isAside ? before : path)).length };
        throw storageFailed(path, cause);
      }
      isTorn = false;
      position = { ...position, bytes: position.bytes + lines.length };
      return position;
    },
    async rewrite(entries, generation) {
      if (isAside) await putBack().catch((cause) => Promise.reject(storageFailed(path, cause)));
      const fresh = new TextEncoder().encode(headerLine(generation) + entries.map(line).join(""));
      const isThere = (await disk.list(dirname(path))).includes(basename(path));
      if (isThere) await disk.rename(path, before).catch((cause) => Promise.reject(storageFailed(path, cause)));
      // Should it fail, the old one is put back before anything is added to it.
      isAside = isThere;
      await writeDurably(disk, path, fresh);
      isAside = false;
      if (isThere) await erase(before);
      isTorn = false;
      position = { generation, bytes: fresh.length };
      return position;
    },
  };
}

const NEWLINE = 0x0a;

const headerLine = (generation: number): string => `${JSON.stringify({ generation })}\n`;

function line(entry: Entry): string {
  const text = JSON.stringify(entry);
  return `${checksum(text)} ${text}\n`;
}

const checksum = (text: string): string => crc32(new TextEncoder().encode(text)).toString(16).padStart(8, "0");

function entriesIn(bytes: Uint8Array): Entry[] {
  return new TextDecoder()
    .decode(bytes)
    .split("\n")
    .flatMap((text) => {
      if (text[8] !== " " || checksum(text.slice(9)) !== text.slice(0, 8)) return [];
      const entry = entrySchema.safeParse(JSON.parse(text.slice(9)));
      return entry.success ? [entry.data] : [];
    });
}

function generationOf(bytes: Uint8Array): number {
  const [, generation] = /^\{"generation":(\d+)\}/.exec(new TextDecoder().decode(bytes.subarray(0, 64))) ?? [];
  return Number(generation ?? 0);
}
