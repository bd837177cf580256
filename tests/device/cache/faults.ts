import type { OpenRandomAccess, RandomAccessFile } from "../../../device/disk/random-access.ts";

/** One change that reached the medium, as the power cut may find it. */
export interface Change {
  readonly path: string;
  readonly position: number;
  /** null: the file was cut off at the position. */
  readonly bytes: Uint8Array | null;
}

export interface TestFiles {
  readonly open: OpenRandomAccess;
  readonly contents: Map<string, Uint8Array>;
  /** In order. */
  readonly changes: Change[];
  /** Refuses the n-th change from now on; `leaves` bytes of a write are there all the same. Every one after it too where `forGood`. */
  failAt(step: number, options: { leaves: number; forGood: boolean }): void;
  /** Whether a change was refused. */
  failed(): boolean;
}

/** Files in memory that may fail, or be damaged, at any place. */
export function testFiles(contents = new Map<string, Uint8Array>()): TestFiles {
  const changes: Change[] = [];
  let stepsLeft = Number.POSITIVE_INFINITY;
  let failure = { leaves: 0, forGood: true };
  let failed = false;

  const apply = (change: Change) => {
    changes.push(change);
    contents.set(change.path, changed(contents.get(change.path)!, change));
  };
  const attempt = (change: Change) => {
    stepsLeft--;
    if (stepsLeft > 0 || (stepsLeft < 0 && !failure.forGood)) return apply(change);
    failed = true;
    if (change.bytes) apply({ ...change, bytes: change.bytes.slice(0, failure.leaves) });
    throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  };

  const open = async (path: string): Promise<RandomAccessFile> => {
    if (!contents.has(path)) contents.set(path, new Uint8Array(0));
    return {
      length: async () => contents.get(path)!.length,
      async read(into, position) {
        const part = contents.get(path)!.subarray(position, position + into.length);
        into.set(part);
        return part.length;
      },
      write: async (bytes, position) => attempt({ path, position, bytes: bytes.slice() }),
      truncate: async (length) => attempt({ path, position: length, bytes: null }),
      close: async () => {},
    };
  };
  return {
    open,
    contents,
    changes,
    failAt(step, options) {
      stepsLeft = step;
      failure = options;
      failed = false;
    },
    failed: () => failed,
  };
}

/** A file after a change; what lies between its end and the place of a write is zeros. */
export function changed(before: Uint8Array, { position, bytes }: Change): Uint8Array {
  const length = bytes ? Math.max(before.length, position + bytes.length) : position;
  const after = new Uint8Array(length);
  after.set(before.subarray(0, length));
  if (bytes) after.set(bytes, position);
  return after;
}
