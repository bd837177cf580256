import { createHash } from "node:crypto";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { systemClock } from "../../../device/clock.ts";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { openRandomAccess } from "../../../device/disk/random-access.ts";
import { createErase } from "../../../device/samples/erase.ts";
import { INDEX_FOLDER } from "../../../device/samples/open.ts";
import { sqlIndex } from "../../../device/samples/sql-index.ts";
import { createSampleStore, type SampleStoreOptions } from "../../../device/samples/store.ts";
import { bytesOf, silent } from "../fixtures.ts";

export const LABELS = ["one", "two words", "inbox"];

export const indexPath = (directory: string) => join(directory, INDEX_FOLDER, "index.db");
export const journalPath = (directory: string) => join(directory, INDEX_FOLDER, "journal");

/** A store on a folder, started. */
export async function opened(directory: string, options: Partial<SampleStoreOptions> = {}) {
  const { disk = nodeDisk } = options;
  const erase = createErase(disk, openRandomAccess);
  const store = createSampleStore({
    directory,
    labels: LABELS,
    madeBy: "a model's preprocessing",
    maxBytes: 1000,
    privacy: "raw",
    index: sqlIndex(indexPath(directory), erase),
    erase,
    disk,
    clock: systemClock,
    log: silent,
    ...options,
  });
  onTestFinished(() => store.stop().catch(() => undefined));
  await store.start();
  return store;
}

export const wav = (text: string, label: string | null) => ({ bytes: bytesOf(text), label, extension: ".wav" });
export const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");
