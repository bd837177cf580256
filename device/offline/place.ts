import path from "node:path";
import { LichenError } from "../../runtime/errors.ts";
import { nodeDisk } from "../disk/disk.ts";
import { makeFolder } from "../disk/folder.ts";
import { PACKAGE_PARTS } from "./package-folder.ts";

/**
 * Sees to it that a result has a place, before the work and not after it: makes the folder that it lies in.
 * @param model the base, which is never written: neither a bare file nor what is in a package
 * @throws BAD_ARGUMENT where a folder or the base has its name, STORAGE_FAILED
 */
export async function makePlaceFor(out: string, model?: string): Promise<void> {
  const base = model === undefined ? [] : [model, ...PACKAGE_PARTS.map((part) => path.join(model, part))];
  if (base.some((file) => path.resolve(file) === path.resolve(out)))
    throw new LichenError("BAD_ARGUMENT", { at: out, found: "the base model", wanted: "a name of its own" });
  await makeFolder(nodeDisk, path.dirname(out));
  const taken = await nodeDisk.facts(out).catch(() => null);
  if (taken?.isFolder)
    throw new LichenError("BAD_ARGUMENT", { at: out, found: "a folder", wanted: "a name for the file" });
}
