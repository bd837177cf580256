import { dirname } from "node:path";
import { LichenError } from "../../runtime/errors.ts";
import type { Disk } from "./disk.ts";

/** Half-written files carry this ending, so that a start can tell them from whole ones. */
export const TEMPORARY = ".tmp";

/**
 * Writes a file so that a power cut at any instant leaves the old content or the new, never a mixture: temporary file, fsync,
 * rename, fsync of the folder. When it resolves, the content is on the medium. One writer per path at a time.
 * @throws STORAGE_FAILED when a step fails; the old content then still stands.
 */
export async function writeDurably(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}${TEMPORARY}`;
  try {
    await disk.write(temporary, bytes);
    await disk.sync(temporary);
    await disk.rename(temporary, path);
    await disk.sync(dirname(path));
  } catch (cause) {
    await disk.remove(temporary).catch(() => undefined);
    throw storageFailed(path, cause);
  }
}

/** Renames a file and makes the move itself durable. @throws STORAGE_FAILED */
export async function moveDurably(disk: Disk, from: string, to: string): Promise<void> {
  try {
    await disk.rename(from, to);
    await disk.sync(dirname(to));
    if (dirname(from) !== dirname(to)) await disk.sync(dirname(from));
  } catch (cause) {
    throw storageFailed(to, cause);
  }
}

/** Removes a file so that it does not come back after a power cut. @throws STORAGE_FAILED */
export async function removeDurably(disk: Disk, path: string): Promise<void> {
  try {
    await disk.remove(path);
    await disk.sync(dirname(path));
  } catch (cause) {
    throw storageFailed(path, cause);
  }
}

/**
 * Removes what a crash left half-written in a folder; returns what was removed. What a disk that went read-only does not let go stays:
 * it must not keep a board from starting.
 */
export async function removeTemporaries(disk: Disk, folder: string): Promise<string[]> {
  const left = (await disk.list(folder)).filter((name) => name.endsWith(TEMPORARY));
  const outcomes = await Promise.allSettled(left.map((name) => disk.remove(`${folder}/${name}`)));
  return left.filter((_, at) => outcomes[at]?.status === "fulfilled");
}

/** What any failed step on a disk is told as. */
export const storageFailed = (at: string, cause: unknown) =>
  new LichenError("STORAGE_FAILED", { at, found: cause instanceof Error ? cause.message : String(cause), cause });
