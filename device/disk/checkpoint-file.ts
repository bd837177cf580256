import type { CheckpointStore } from "../../runtime/index.ts";
import type { Disk } from "./disk.ts";
import { writeDurably } from "./durable.ts";

export interface CheckpointFileOptions {
  disk: Disk;
  path: string;
  /** A checkpoint younger than this is not replaced: cards wear, and epochs may be short. */
  everyMs: number;
  clockMs: () => number;
}

/** A training run's checkpoint as a file, the old one or the new. What cannot be written only costs the epochs since the last one. */
export function checkpointFile({ disk, path, everyMs, clockMs }: CheckpointFileOptions): CheckpointStore {
  let savedMs = clockMs();
  return {
    load: () => disk.read(path).catch(() => null),
    async save(checkpoint) {
      if (clockMs() - savedMs < everyMs) return;
      savedMs = clockMs();
      await writeDurably(disk, path, checkpoint).catch(() => undefined);
    },
    clear: () => disk.remove(path).catch(() => undefined),
  };
}
