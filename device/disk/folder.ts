import type { Disk } from "./disk.ts";
import { storageFailed } from "./durable.ts";

/** Makes a folder, and those it is in. @throws STORAGE_FAILED */
export async function makeFolder(disk: Disk, path: string): Promise<void> {
  await disk.makeFolder(path).catch((cause: unknown) => {
    throw storageFailed(path, cause);
  });
}
