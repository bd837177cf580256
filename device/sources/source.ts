import { type ErrorCode, LichenError } from "../../runtime/errors.ts";

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
  sample(file: SourceFile, label: string | null): Promise<void>;
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
  /** Of what depends on somebody else: a program, a broker. */
  health?(): SourceHealth;
}

export interface SourceHealth {
  readonly state: "running" | "waiting" | "stopped";
  /** What went wrong last, whether or not it is over. */
  readonly problem: { readonly code: string; readonly message: string } | null;
  /** How often the program was started, or the broker reached. */
  readonly starts: number;
  /** Left out on purpose: silence, pictures between two that were looked at, what found no place in the queue. */
  readonly skipped: number;
}

/** A refusal is about the file and will not change by trying again; anything else (a full disk, a full queue) may pass. */
export const isRefusal = (error: unknown): error is LichenError =>
  error instanceof LichenError && !PASSING.has(error.code);

const PASSING: ReadonlySet<ErrorCode> = new Set(["STORAGE_FAILED", "CANCELLED", "QUEUE_FULL"]);
