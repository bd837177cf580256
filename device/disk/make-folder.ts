import { mkdir, stat } from "node:fs/promises";
import path from "node:path";

/**
 * Makes a folder and those it is in; one that is there already is no harm. Not by Node's own `recursive`, which never comes back
 * where a file system answers ENOENT to what it refuses, as /proc does (Node 20).
 */
export async function makeFolders(folder: string): Promise<void> {
  const missing = await made(folder);
  if (!missing) return;
  const parent = path.dirname(folder);
  if (parent === folder) throw missing;
  await makeFolders(parent);
  const refused = await made(folder);
  if (refused) throw refused;
}

/** @returns null when the folder is there now, else why its parent has to be made first */
async function made(folder: string): Promise<Error | null> {
  try {
    await mkdir(folder);
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(folder)).isDirectory()) return null;
    if (code === "ENOENT") return error as Error;
    throw error;
  }
}
