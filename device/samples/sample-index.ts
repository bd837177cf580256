import type { Position } from "./journal.ts";
import type { Entry } from "./sample.ts";

/** What an index holds, and up to which place of the journal it knows. */
export interface Indexed {
  readonly entries: readonly Entry[];
  readonly position: Position | undefined;
}

/**
 * The samples' entries, ready at the start. A view: all of it can be made again from the files and the journal, so nothing waits for
 * it to be on the medium, and an index that is lost or damaged costs a moment at the next start.
 */
export interface SampleIndex {
  /** @throws anything for a damaged index; `rewrite` then makes a new one */
  load(): Promise<Indexed>;
  put(entries: readonly Entry[], position: Position): Promise<void>;
  remove(sha256s: readonly string[]): Promise<void>;
  /** A new file with these entries only: of others not a trace is left in it. */
  rewrite(indexed: Indexed): Promise<void>;
  close(): Promise<void>;
}
