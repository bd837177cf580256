import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { LichenError } from "../../runtime/errors.ts";
import { nodeDisk } from "../disk/disk.ts";
import { moveDurably, TEMPORARY, writeDurably } from "../disk/durable.ts";
import { makeFolder } from "../disk/folder.ts";

/** The files of a model package. */
export const PACKAGE_PARTS = ["model.onnx", "card.json", "rehearsal.safetensors"] as const;

export interface PackageFolderOptions {
  /** Whether a package that is there already may be replaced. */
  force?: boolean | undefined;
  /** What the package is made of, which is never written over. */
  source: string;
}

/**
 * Sees to it that a package has a place, before the work and not after it.
 * @throws BAD_ARGUMENT where a file, a folder of other things, or without `force` a package is there; STORAGE_FAILED
 */
export async function makePlaceForPackage(
  folder: string,
  { force = false, source }: PackageFolderOptions,
): Promise<void> {
  const refused = (found: string, wanted: string, todo?: string) =>
    new LichenError("BAD_ARGUMENT", { at: folder, found, wanted, ...(todo && { todo }) });
  const [out, from] = [path.resolve(folder), path.resolve(source)];
  if (from === out || from.startsWith(out + path.sep))
    throw refused("what the package is made of", "a folder of its own");
  await makeFolder(nodeDisk, path.dirname(out));
  const found = await stat(out).catch(() => null);
  if (!found) return;
  if (!found.isDirectory()) throw refused("a file", "a name for the folder");
  const names = (await readdir(out)).filter((name) => !name.endsWith(TEMPORARY));
  const other = names.find((name) => !(PACKAGE_PARTS as readonly string[]).includes(name));
  if (other !== undefined)
    throw refused(`${other}, which is no part of a package`, "a new folder, or one with nothing else in it");
  if (names.length > 0 && !force)
    throw refused("a package", "a new folder", "name another folder, or replace the package with --force");
}

/**
 * Writes a package so that a power cut at any instant leaves no half of it: whole under another name first, then renamed. What was
 * there before lies beside it as `‹folder›.old` for the moment between two renames.
 * @throws STORAGE_FAILED
 */
export async function writePackageFolder(folder: string, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  const out = path.resolve(folder);
  const [fresh, old] = [`${out}${TEMPORARY}`, `${out}.old`];
  await removeFolder(fresh);
  await makeFolder(nodeDisk, fresh);
  for (const [name, bytes] of Object.entries(files)) await writeDurably(nodeDisk, path.join(fresh, name), bytes);
  const replaces = await stat(out).then(
    () => true,
    () => false,
  );
  if (replaces) {
    await removeFolder(old);
    await moveDurably(nodeDisk, out, old);
  }
  await moveDurably(nodeDisk, fresh, out);
  if (replaces) await removeFolder(old);
}

const removeFolder = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true }).catch((cause: unknown) => {
    throw new LichenError("STORAGE_FAILED", { at: folder, found: (cause as Error).message, cause });
  });
