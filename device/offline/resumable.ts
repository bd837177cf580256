import { type CheckpointStore, errorCode, LichenError, type Progress } from "../../runtime/index.ts";
import { checkpointFile } from "../disk/checkpoint-file.ts";
import { nodeDisk } from "../disk/disk.ts";

/** A kill loses no more than so much work; epochs may be shorter, and cards wear. */
const EVERY_MS = 1000;

export interface ResumableOptions {
  /** What the run makes. Its checkpoint lies beside it. */
  out: string;
  /** Whether an earlier checkpoint is thrown away. */
  fresh: boolean;
  note(text: string): void;
}

export const checkpointOf = (out: string): string => `${out}.checkpoint`;

/**
 * A run that may be interrupted: what it has learnt stays in a file beside its result, until that result is on the disk. The same run
 * goes on from there.
 * @param run its progress must pass through `onProgress`, which is where one sees whether the checkpoint was of any use
 */
export async function resumable<T>(
  { out, fresh, note }: ResumableOptions,
  run: (checkpoint: CheckpointStore, onProgress: (progress: Progress) => void) => Promise<T>,
): Promise<T> {
  const path = checkpointOf(out);
  const file = checkpointFile({ disk: nodeDisk, path, everyMs: EVERY_MS, clockMs: () => performance.now() });
  if (fresh) await file.clear();
  let found = false;
  const checkpoint: CheckpointStore = {
    async load() {
      const bytes = await file.load();
      found = bytes !== null;
      return bytes;
    },
    save: file.save,
    // Not before the result is on the disk.
    clear: async () => undefined,
  };
  const onProgress = ({ phase, done, total }: Progress) => {
    if (!found || phase !== "train") return;
    found = false;
    note(
      done > 1
        ? `goes on after epoch ${done - 1} of ${total}, from ${path}`
        : `begins anew: ${path} is of another run, or damaged`,
    );
  };
  try {
    const result = await run(checkpoint, onProgress);
    await file.clear();
    return result;
  } catch (error) {
    if (errorCode(error) === "DIVERGED") await file.clear();
    else await file.flush();
    throw error instanceof LichenError && error.code === "CANCELLED" && (await file.load()) !== null
      ? cancelled(error, path)
      : error;
  }
}

const cancelled = ({ details }: LichenError, path: string) =>
  new LichenError("CANCELLED", {
    ...details,
    todo: `give the same command again: it goes on where it stopped, from ${path}`,
  });
