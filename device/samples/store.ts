import { createHash } from "node:crypto";
import { extname, join } from "node:path";
import type { Logger } from "pino";
import { LichenError } from "../../runtime/errors.ts";
import { listed } from "../../runtime/listed.ts";
import type { Disk } from "../disk/disk.ts";
import { moveDurably, removeTemporaries, writeDurably } from "../disk/durable.ts";
import { evictions } from "./eviction.ts";
import { labelFolder } from "./label-folder.ts";

/** A labelled sample on disk. Its name is the hash of its bytes, its folder is its label: the files are the truth. */
export interface Sample {
  readonly sha256: string;
  readonly label: string;
  readonly path: string;
  readonly bytes: number;
}

export interface IncomingSample {
  readonly bytes: Uint8Array;
  readonly label: string;
  /** With the dot. */
  readonly extension: string;
}

export type Stored = "stored" | "known" | "relabelled";

export interface SampleStore {
  start(): Promise<void>;
  /** When it resolves the sample is on the medium.  @throws UNKNOWN_CLASS, STORAGE_FAILED (then nothing has changed) */
  add(sample: IncomingSample): Promise<Stored>;
  /** Oldest first. */
  list(): readonly Sample[];
}

export interface SampleStoreOptions {
  readonly directory: string;
  readonly labels: readonly string[];
  readonly maxBytes: number;
  readonly disk: Disk;
  readonly log: Logger;
}

export function createSampleStore({ directory, labels, maxBytes, disk, log }: SampleStoreOptions): SampleStore {
  // By hash, in the order of arrival.
  const samples = new Map<string, Sample>();
  let last: Promise<unknown> = Promise.resolve();

  /** One change at a time: two files of the same bytes may come at once. */
  function queued<T>(change: () => Promise<T>): Promise<T> {
    const next = last.then(change);
    last = next.catch(() => undefined);
    return next;
  }

  const pathOf = (sha256: string, label: string, extension: string) =>
    join(directory, labelFolder(label), `${sha256}${extension}`);

  async function put({ bytes, label, extension }: IncomingSample): Promise<Stored> {
    if (!labels.includes(label)) {
      throw new LichenError("UNKNOWN_CLASS", { at: "sample store", found: label, wanted: listed(labels) });
    }
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const known = samples.get(sha256);
    if (known?.label === label) return "known";
    const path = pathOf(sha256, label, extension);
    if (known !== undefined) {
      // A rename, so that at no instant the sample has two labels or none.
      await moveDurably(disk, known.path, path).catch(async (error) => {
        // The rename may have happened and only its fsync failed: memory follows the disk.
        if (await disk.facts(path).catch(() => undefined)) samples.set(sha256, { ...known, label, path });
        throw error;
      });
      samples.set(sha256, { ...known, label, path });
      log.info({ sha256, from: known.label, to: label }, "sample relabelled: the newest label wins");
      return "relabelled";
    }
    await writeDurably(disk, path, bytes);
    samples.set(sha256, { sha256, label, path, bytes: bytes.byteLength });
    await evict(sha256);
    return "stored";
  }

  /** The sample just taken stays, whatever its size: it has been acknowledged. */
  async function evict(newest: string): Promise<void> {
    for (const sample of evictions([...samples.values()], maxBytes).filter(({ sha256 }) => sha256 !== newest)) {
      try {
        await disk.remove(sample.path);
        samples.delete(sample.sha256);
        log.info({ sha256: sample.sha256, label: sample.label }, "sample evicted: the store is full");
      } catch (error) {
        log.warn({ err: error, sha256: sample.sha256 }, "sample could not be evicted");
      }
    }
  }

  return {
    async start() {
      const found: (Sample & { modifiedMs: number })[] = [];
      for (const label of labels) {
        const folder = join(directory, labelFolder(label));
        await disk.makeFolder(folder);
        const dropped = await removeTemporaries(disk, folder);
        if (dropped.length > 0) log.warn({ label, dropped }, "half-written samples dropped: never acknowledged");
        for (const name of await disk.list(folder)) {
          const sha256 = name.slice(0, name.length - extname(name).length);
          if (!/^[0-9a-f]{64}$/.test(sha256)) continue;
          const path = join(folder, name);
          const { bytes, modifiedMs } = await disk.facts(path);
          found.push({ sha256, label, path, bytes, modifiedMs });
        }
      }
      // The folders themselves must survive a power cut, or acknowledged samples go with them.
      await disk.sync(directory);
      found.sort((a, b) => a.modifiedMs - b.modifiedMs || a.path.localeCompare(b.path));
      for (const { modifiedMs: _, ...sample } of found) samples.set(sample.sha256, sample);
    },
    add: (sample) => queued(() => put(sample)),
    list: () => [...samples.values()],
  };
}
