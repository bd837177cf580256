import { appendFile, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { makeFolders } from "./make-folder.ts";

export interface FileFacts {
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly isFolder: boolean;
}

/**
 * The disk as Lichen needs it: every call is one step that a power cut may follow, so that tests can let each one fail.
 * All calls reject with Node's own errors (`code` is `ENOENT`, `ENOSPC`, …).
 */
export interface Disk {
  makeFolder(path: string): Promise<void>;
  /** Names in a folder; none when there is no such folder. */
  list(folder: string): Promise<string[]>;
  read(path: string): Promise<Uint8Array>;
  facts(path: string): Promise<FileFacts>;
  /** Writes a whole file, which may still sit in memory. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Writes at the end of a file, made where there is none; likewise. */
  append(path: string, bytes: Uint8Array): Promise<void>;
  /** Forces a file, or the entries of a folder, onto the medium. */
  sync(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; one that is gone already counts as removed. */
  remove(path: string): Promise<void>;
}

export const nodeDisk: Disk = {
  makeFolder: makeFolders,
  list: (folder) => readdir(folder).catch((error) => (isMissing(error) ? [] : Promise.reject(error))),
  read: (path) => readFile(path),
  facts: async (path) => {
    const found = await stat(path);
    return { bytes: found.size, modifiedMs: found.mtimeMs, isFolder: found.isDirectory() };
  },
  write: (path, bytes) => writeFile(path, bytes),
  append: (path, bytes) => appendFile(path, bytes),
  sync: async (path) => {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  rename: (from, to) => rename(from, to),
  remove: (path) => rm(path, { force: true }),
};

export const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ENOENT";
