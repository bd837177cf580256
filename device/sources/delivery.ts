import type { Logger } from "pino";
import { errorCode } from "../../runtime/errors.ts";
import { isRefusal, type Sink, type SourceCounts, type SourceFile } from "./source.ts";

export interface Delivery {
  /**
   * Infers a file, or stores it where there is a label. A file that is refused is counted and told in the log, and so is one that found
   * no place in the queue.
   * @throws what may pass and concerns a sample: it has not been stored
   */
  deliver(file: SourceFile, label: string | undefined): Promise<void>;
  counts(): SourceCounts;
  /** Inferences that found no place. */
  skipped(): number;
}

/** What sources that cannot put a file back have in common. */
export function createDelivery(sink: Sink, log: Logger): Delivery {
  const counts = { accepted: 0, inferred: 0, rejected: 0 };
  let skipped = 0;
  return {
    async deliver(file, label) {
      try {
        if (label === undefined) {
          await sink.infer(file);
          counts.inferred++;
        } else {
          await sink.sample(file, label);
          counts.accepted++;
        }
      } catch (error) {
        if (isRefusal(error)) {
          counts.rejected++;
          log.warn({ code: error.code, file: file.name }, error.message);
        } else if (label === undefined) {
          // Nobody waits for it, and it would come too late.
          skipped++;
          log.debug({ code: errorCode(error), err: error, file: file.name }, "not inferred");
        } else throw error;
      }
    },
    counts: () => ({ ...counts }),
    skipped: () => skipped,
  };
}
