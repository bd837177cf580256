/** A bigger file is no sample of anything that a board's model hears or sees; it is not even read. */
export const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** What came in, from wherever. `at` names the place for messages. */
export interface SourceFile {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly at: string;
}

export interface Inference {
  readonly label: string;
  readonly confidence: number;
  readonly probabilities: Readonly<Record<string, number>>;
  /** sha256 of the adapter that served it; null is the bare base. */
  readonly adapter: string | null;
  readonly milliseconds: number;
}

/** Where sources deliver to. */
export interface Sink {
  /** Resolves when the sample is on the medium: only then may the source let go of it. @throws see `isRefusal` */
  sample(file: SourceFile, label: string): Promise<void>;
  infer(file: SourceFile): Promise<Inference>;
}

export interface SourceCounts {
  readonly accepted: number;
  readonly inferred: number;
  readonly rejected: number;
}

/** A driver: a function returning this. It acts from `start` to `stop`. */
export interface Source {
  readonly name: string;
  start(sink: Sink): Promise<void>;
  /** Resolves when the file in hand is done with. */
  stop(): Promise<void>;
  counts(): SourceCounts;
}
