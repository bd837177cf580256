import { join } from "node:path";
import type { Clock } from "../clock.ts";
import type { Disk } from "../disk/disk.ts";
import { ERASE_CAVEAT, type EraseFile } from "./erase.ts";
import { type Selector, selected } from "./selector.ts";
import type { SampleStore } from "./store.ts";

export interface PurgeOptions {
  readonly store: Pick<SampleStore, "all" | "erase">;
  /** Folders and files of rounds in which samples leave traces: cached activations, a checkpoint, a candidate. */
  readonly traces: readonly string[];
  /** Spare copies of state files, which name samples until the next change. */
  readonly spares: readonly string[];
  readonly erase: EraseFile;
  /** Keeps rounds from reading what is erased. @throws ROUND_RUNNING */
  readonly whileIdle: <T>(act: () => Promise<T>) => Promise<T>;
  readonly disk: Disk;
  readonly clock: Clock;
}

export interface Purged {
  readonly erased: number;
  readonly bytes: number;
  /** What no software can promise, and what was left on purpose. */
  readonly remarks: readonly string[];
}

const REMARKS = [
  ERASE_CAVEAT,
  "adapters stay: what they learnt is not unlearnt before the next round, which starts from the base model",
  "files in the watched folder (done, rejected) are not samples and stay",
];

/**
 * Erases samples: what rounds keep of them first, then files, journal and index. Cut off in between, it leaves samples that another
 * purge finds, and never traces of samples that are gone.
 * @throws NO_SUCH_SAMPLE, ROUND_RUNNING, STORAGE_FAILED
 */
export async function purge(selector: Selector, options: PurgeOptions): Promise<Purged> {
  const { store, traces, spares, erase, disk, clock } = options;
  const doomed = selected(store.all(), selector, { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() });
  if (doomed.length === 0) return { erased: 0, bytes: 0, remarks: [] };
  await options.whileIdle(async () => {
    // Cached rows go by what is in them, not by sample: all of them go, and are computed again.
    for (const trace of traces) for (const file of await filesIn(trace, disk)) await erase(file);
    for (const spare of spares) await erase(spare);
    await store.erase(doomed.map(({ sha256 }) => sha256));
  });
  return { erased: doomed.length, bytes: doomed.reduce((sum, { bytes }) => sum + bytes, 0), remarks: REMARKS };
}

async function filesIn(path: string, disk: Disk): Promise<string[]> {
  const facts = await disk.facts(path).catch(() => undefined);
  // Also what is gone: half erased, it lies under another name.
  return facts?.isFolder ? (await disk.list(path)).map((name) => join(path, name)) : [path];
}
