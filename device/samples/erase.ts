import { dirname } from "node:path";
import type { Disk } from "../disk/disk.ts";
import { storageFailed } from "../disk/durable.ts";
import type { OpenRandomAccess } from "../disk/random-access.ts";

/** Overwrites a file, then removes it; one that is gone already counts as erased, and one half erased is finished. @throws STORAGE_FAILED */
export type EraseFile = (path: string) => Promise<void>;

/** A file on its way out: no longer a sample, should the power go before it is gone. */
export const ERASING = ".erasing";

/**
 * Overwriting goes to the same blocks on plain disks and file systems. Flash with wear levelling (SD cards, eMMC, SSDs) and file
 * systems that copy on write keep the old blocks until they need them: there only encryption of the whole medium erases for certain.
 */
export const ERASE_CAVEAT =
  "files were overwritten and removed; flash with wear levelling may keep old blocks until it reuses them";

const CHUNK_BYTES = 1024 * 1024;

export function createErase(disk: Disk, open: OpenRandomAccess): EraseFile {
  const isThere = async (path: string) => (await disk.facts(path).catch(() => undefined)) !== undefined;

  async function overwriteAndRemove(path: string): Promise<void> {
    const file = await open(path);
    try {
      const length = await file.length();
      const zeros = new Uint8Array(Math.min(length, CHUNK_BYTES));
      for (let at = 0; at < length; at += zeros.length) await file.write(zeros.subarray(0, length - at), at);
    } finally {
      await file.close();
    }
    await disk.sync(path);
    await disk.remove(path);
    await disk.sync(dirname(path));
  }

  return async (path) => {
    const doomed = path.endsWith(ERASING) ? path : `${path}${ERASING}`;
    try {
      // Of an erasure that was cut off. A rename onto it would free its blocks as they are.
      if (await isThere(doomed)) await overwriteAndRemove(doomed);
      if (doomed === path || !(await isThere(path))) return;
      await disk.rename(path, doomed);
      await overwriteAndRemove(doomed);
    } catch (cause) {
      throw storageFailed(path, cause);
    }
  };
}
