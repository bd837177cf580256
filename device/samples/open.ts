import { extname, join } from "node:path";
import type { Logger } from "pino";
import type { Disk } from "../disk/disk.ts";
import { removeTemporaries } from "../disk/durable.ts";
import { ERASING, type EraseFile } from "./erase.ts";
import type { Journal } from "./journal.ts";
import { folderOf, labelOfFolder } from "./label-folder.ts";
import { type FoundFile, isBloated, nextSequence, reconcile } from "./reconcile.ts";
import { type Entry, extensionSchema, sha256Schema } from "./sample.ts";
import type { Indexed, SampleIndex } from "./sample-index.ts";

export interface OpenStoreOptions {
  readonly directory: string;
  readonly labels: readonly string[];
  readonly index: SampleIndex;
  readonly journal: Journal;
  readonly erase: EraseFile;
  readonly disk: Disk;
  readonly log: Logger;
}

export interface OpenedStore {
  /** In the order of arrival. */
  readonly samples: readonly { readonly entry: Entry; readonly path: string }[];
  /** The number after all that have been given. */
  readonly sequence: number;
}

/** Where index and journal lie, beside the folders of classes, none of which begins with a dot. */
export const INDEX_FOLDER = ".index";

/**
 * Finds out what is there: half-written files go, files and index are brought together, and an index that cannot be read is made anew.
 * What cannot be written at a start (a disk that went read-only) is left for another; the samples are known all the same.
 */
export async function openStore(options: OpenStoreOptions): Promise<OpenedStore> {
  const { directory, labels, index, journal, erase, disk, log } = options;
  await disk.makeFolder(join(directory, INDEX_FOLDER));
  for (const label of [null, ...labels]) await disk.makeFolder(join(directory, folderOf(label)));
  const later = (error: unknown) => log.warn({ err: error }, "the disk takes nothing at this start");
  // The folders themselves must survive a power cut, or acknowledged samples go with them. After an error, a file system that went
  // read-only refuses even this.
  await disk.sync(directory).catch(later);

  await removeTemporaries(disk, join(directory, INDEX_FOLDER));
  const { files, halfErased } = await findFiles(directory, disk, log);
  for (const name of await disk.list(join(directory, INDEX_FOLDER)))
    if (name.endsWith(ERASING)) halfErased.push(join(directory, INDEX_FOLDER, name));
  for (const path of halfErased) await erase(path).catch(later);
  const indexed = await index.load().catch((error): Indexed & { readonly isDamaged: true } => {
    log.warn({ err: error }, "the index of the samples is damaged: it is made anew of the files and the journal");
    return { entries: [], position: undefined, isDamaged: true };
  });
  const { entries: said, position } = await journal.read(indexed.position);

  const factsOf = await factsOfStrangers(files, [...indexed.entries, ...said], disk);
  const found = reconcile(files, indexed.entries, said, factsOf);
  const entries = found.samples.map(({ entry }) => entry);
  let sequence = nextSequence([...indexed.entries, ...said, ...entries]);
  sequence = Math.max(sequence, position.generation + 1);
  try {
    for (const path of found.doubles) await disk.remove(path);
    if (halfErased.length > 0 || isBloated(position, entries.length)) {
      await index.rewrite({ entries, position: await journal.rewrite(entries, sequence++) });
    } else {
      const now = found.takenOver.length > 0 ? await journal.append(found.takenOver) : position;
      if ("isDamaged" in indexed) await index.rewrite({ entries, position: now });
      else {
        if (found.missing.length > 0) await index.remove(found.missing);
        if (found.changed.length > 0 || now !== indexed.position) await index.put(found.changed, now);
      }
    }
  } catch (error) {
    log.warn({ err: error }, "what the start found out about the samples could not be written down");
  }
  if (found.takenOver.length > 0) log.info({ samples: found.takenOver.length }, "samples taken over into the index");
  return { samples: found.samples, sequence };
}

async function findFiles(directory: string, disk: Disk, log: Logger) {
  const files: FoundFile[] = [];
  const halfErased: string[] = [];
  for (const name of await disk.list(directory)) {
    const label = labelOfFolder(name);
    const folder = join(directory, name);
    if (label === undefined || !(await disk.facts(folder)).isFolder) continue;
    const dropped = await removeTemporaries(disk, folder);
    if (dropped.length > 0) log.warn({ label, dropped }, "half-written samples dropped: never acknowledged");
    for (const file of await disk.list(folder)) {
      const path = join(folder, file);
      const extension = extname(file);
      const sha256 = file.slice(0, file.length - extension.length);
      if (file.endsWith(ERASING)) halfErased.push(path);
      else if (sha256Schema.safeParse(sha256).success && extensionSchema.safeParse(extension).success)
        files.push({ sha256, label, path, extension });
    }
  }
  return { files, halfErased };
}

/** Only files that nobody knows are looked at one by one: there may be thousands, and a start should not take long. */
async function factsOfStrangers(files: readonly FoundFile[], known: readonly Entry[], disk: Disk) {
  const hashes = new Set(known.map(({ sha256, label }) => `${sha256} ${label}`));
  const facts = new Map<string, { bytes: number; modifiedMs: number }>();
  for (const { sha256, label, path } of files) {
    if (!hashes.has(`${sha256} ${label}`)) facts.set(path, await disk.facts(path));
  }
  return ({ path }: FoundFile) => facts.get(path) ?? { bytes: 0, modifiedMs: 0 };
}
