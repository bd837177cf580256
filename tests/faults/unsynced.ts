import { linkSync, renameSync, rmSync, statSync, truncateSync } from "node:fs";
import { dirname, join } from "node:path";

/** What the medium need not have yet, by the rules of fsync(2) taken at their harshest. */
export interface Unsynced {
  /** Before bytes are written, from `kept` on. */
  writing(path: string, kept: number): void;
  renaming(from: string, to: string): void;
  removing(path: string): void;
  synced(path: string): void;
  /** Takes all of it back, newest first. */
  lose(): void;
}

type Entry =
  | { readonly tag: "made"; readonly path: string }
  | { readonly tag: "renamed"; readonly from: string; readonly path: string; readonly before: string | null }
  | { readonly tag: "removed"; readonly path: string; readonly before: string };

/** @param vault keeps second links to files until their going is synced */
export function createUnsynced(vault: string): Unsynced {
  /** Bytes of files that are on the medium for certain. */
  const contents = new Map<string, number>();
  /** Changes of folders, oldest first. */
  let entries: readonly Entry[] = [];
  let links = 0;

  function keep(path: string): string | null {
    const link = join(vault, `${process.pid}-${links++}`);
    try {
      linkSync(path, link);
      return link;
    } catch {
      return null;
    }
  }

  const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

  return {
    writing(path, kept) {
      if (!isThere(path)) entries = [...entries, { tag: "made", path }];
      contents.set(path, Math.min(kept, contents.get(path) ?? kept));
    },
    renaming(from, to) {
      const kept = contents.get(from);
      contents.delete(from);
      contents.delete(to);
      if (kept !== undefined) contents.set(to, kept);
      entries = [...entries, { tag: "renamed", from, path: to, before: keep(to) }];
    },
    removing(path) {
      contents.delete(path);
      const before = keep(path);
      if (before !== null) entries = [...entries, { tag: "removed", path, before }];
    },
    synced(path) {
      contents.delete(path);
      entries = entries.filter((entry) => {
        if (dirname(entry.path) !== path) return true;
        if ("before" in entry && entry.before !== null) rmSync(entry.before, { force: true });
        return false;
      });
    },
    lose() {
      for (const [path, kept] of contents) if (isThere(path)) truncateSync(path, kept);
      for (const entry of [...entries].reverse()) {
        if (entry.tag === "renamed" && isThere(entry.path)) renameSync(entry.path, entry.from);
        if (entry.tag === "made") rmSync(entry.path, { force: true });
        else if (entry.before !== null && !isThere(entry.path)) linkSync(entry.before, entry.path);
      }
    },
  };
}
