import type { Position } from "./journal.ts";
import type { Entry } from "./sample.ts";

/** A sample's file as a start finds it; its folder says its label. */
export interface FoundFile {
  readonly sha256: string;
  readonly label: string | null;
  readonly path: string;
  readonly extension: string;
}

/** Size and time of files that neither index nor journal knows. */
export type FileFactsOf = (file: FoundFile) => { readonly bytes: number; readonly modifiedMs: number };

export interface Reconciled {
  /** What is there, in the order of arrival. */
  readonly samples: readonly { readonly entry: Entry; readonly path: string }[];
  /** Entries that the index lacks or has otherwise. */
  readonly changed: readonly Entry[];
  /** Entries that nothing was known of: files of before there was an index. */
  readonly takenOver: readonly Entry[];
  /** What the index has without a file. */
  readonly missing: readonly string[];
  /** Files of content that another file holds too. */
  readonly doubles: readonly string[];
}

/**
 * What is there after a start of whatever history: files decide what there is and which label holds, index and journal say what else is
 * known of it. The last thing said about a sample under the label of its folder counts: what was announced and never came to pass
 * speaks of another folder.
 * @param journal oldest first, at least what the index does not cover
 */
export function reconcile(
  files: readonly FoundFile[],
  indexed: readonly Entry[],
  journal: readonly Entry[],
  factsOf: FileFactsOf,
): Reconciled {
  const inIndex = new Map(indexed.map((entry) => [entry.sha256, entry]));
  const said = new Map<string, Entry>();
  for (const entry of [...indexed, ...journal]) said.set(keyOf(entry), entry);

  const chosen = new Map<string, { file: FoundFile; entry: Entry | undefined }>();
  const doubles: string[] = [];
  for (const file of files) {
    const entry = said.get(keyOf(file));
    const rival = chosen.get(file.sha256);
    const isLater = rival === undefined || (entry?.labelSequence ?? -1) >= (rival.entry?.labelSequence ?? -1);
    if (rival !== undefined) doubles.push((isLater ? rival.file : file).path);
    if (isLater) chosen.set(file.sha256, { file, entry });
  }

  let sequence = nextSequence([...indexed, ...journal]);
  const strangers = [...chosen.values()]
    .filter(({ entry }) => entry === undefined)
    .map(({ file }) => ({ file, ...factsOf(file) }))
    .sort((a, b) => a.modifiedMs - b.modifiedMs || (a.file.path < b.file.path ? -1 : 1));
  const takenOver = strangers.map(({ file, bytes, modifiedMs }): Entry => {
    const at = sequence++;
    return {
      sha256: file.sha256,
      label: file.label,
      origin: file.label === null ? null : "folder",
      sequence: at,
      labelSequence: at,
      arrivedAtMs: modifiedMs,
      source: null,
      prediction: null,
      extension: file.extension,
      bytes,
    };
  });

  const entryOf = new Map(takenOver.map((entry) => [entry.sha256, entry]));
  const samples = [...chosen.values()]
    .map(({ file, entry }) => ({ entry: entry ?? entryOf.get(file.sha256)!, path: file.path }))
    .sort((a, b) => a.entry.sequence - b.entry.sequence);
  return {
    samples,
    changed: samples.map(({ entry }) => entry).filter((entry) => inIndex.get(entry.sha256) !== entry),
    takenOver,
    missing: [...inIndex.keys()].filter((sha256) => !chosen.has(sha256)),
    doubles,
  };
}

/** The number after all that have been given. */
export const nextSequence = (entries: readonly Entry[]): number =>
  entries.reduce((next, entry) => Math.max(next, entry.sequence + 1, entry.labelSequence + 1), 0);

/** Whether a journal holds so much of what is past that it should be written anew. @param entries that hold now */
export const isBloated = ({ bytes }: Position, entries: number): boolean =>
  bytes > LEAST_JOURNAL_BYTES + 4 * BYTES_PER_LINE * entries;

const LEAST_JOURNAL_BYTES = 64 * 1024;
const BYTES_PER_LINE = 400;

/** A features file of a sample is another file than its raw one. */
const keyOf = ({ sha256, label, extension }: Pick<Entry, "sha256" | "label" | "extension">): string =>
  `${sha256}${extension} ${label === null ? "" : `=${label}`}`;
