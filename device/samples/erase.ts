import { dirname } from "node:path";
import type { Disk } from "../disk/disk.ts";
import { storageFailed } from "../disk/durable.ts";
import type { OpenRandomAccess } from "../disk/random-access.ts";

/** Overwrites a file, then removes it; one that is gone already counts as erased. @throws STORAGE_FAILED */
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

export const createErase =
  (disk: Disk, open: OpenRandomAccess): EraseFile =>
  async (path) => {
    if ((await disk.facts(path).catch(() => undefined)) === undefined) return;
    const doomed = path.endsWith(ERASING) ? path : `${path}${ERASING}`;
    try {
      if (doomed !== path) await disk.rename(path, doomed);
      const file = await open(doomed);
      try {
        const length = await file.length();
        const zeros = new Uint8Array(Math.min(length, CHUNK_BYTES));
        for (let at = 0; at < length; at += zeros.length) await file.write(zeros.subarray(0, length - at), at);
      } finally {
        await file.close();
      }
      await disk.sync(doomed);
      await disk.remove(doomed);
      await disk.sync(dirname(doomed));
    } catch (cause) {
      throw storageFailed(path, cause);
    }
  };
