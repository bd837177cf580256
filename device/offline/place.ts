import path from "node:path";
import { LichenError } from "../../runtime/errors.ts";
import { nodeDisk } from "../disk/disk.ts";
import { makeFolder } from "../disk/folder.ts";

/**
 * Sees to it that a result has a place, before the work and not after it: makes the folder that it lies in.
 * @throws BAD_ARGUMENT where a folder has its name, STORAGE_FAILED
 */
export async function makePlaceFor(out: string): Promise<void> {
  await makeFolder(nodeDisk, path.dirname(out));
  const taken = await nodeDisk.facts(out).catch(() => null);
  if (taken?.isFolder)
    throw new LichenError("BAD_ARGUMENT", { at: out, found: "a folder", wanted: "a name for the file" });
}
