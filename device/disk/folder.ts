import { LichenError } from "../../runtime/errors.ts";
import type { Disk } from "./disk.ts";

/** Makes a folder, and those it is in. @throws STORAGE_FAILED */
export async function makeFolder(disk: Disk, path: string): Promise<void> {
  await disk.makeFolder(path).catch((cause: unknown) => {
    throw new LichenError("STORAGE_FAILED", { at: path, found: (cause as Error).message, cause });
  });
}
