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

export interface CheckpointFile extends CheckpointStore {
  /** Writes the checkpoint that was passed over as too young: whoever stops on purpose loses nothing. */
  flush(): Promise<void>;
}

/** A training run's checkpoint as a file, the old one or the new. What cannot be written only costs the epochs since the last one. */
export function checkpointFile({ disk, path, everyMs, clockMs }: CheckpointFileOptions): CheckpointFile {
  let savedMs = clockMs();
  let passedOver: Uint8Array | null = null;
  const write = (checkpoint: Uint8Array) => writeDurably(disk, path, checkpoint).catch(() => undefined);
  return {
    load: () => disk.read(path).catch(() => null),
    async save(checkpoint) {
      passedOver = checkpoint;
      if (clockMs() - savedMs < everyMs) return;
      savedMs = clockMs();
      passedOver = null;
      await write(checkpoint);
    },
    async flush() {
      const checkpoint = passedOver;
      passedOver = null;
      if (checkpoint) await write(checkpoint);
    },
    async clear() {
      passedOver = null;
      await disk.remove(path).catch(() => undefined);
    },
  };
}
