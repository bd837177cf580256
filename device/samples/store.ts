import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Logger } from "pino";
import { LichenError } from "../../runtime/errors.ts";
import { listed } from "../../runtime/listed.ts";
import type { Tensor } from "../../runtime/onnx/tensor.ts";
import type { Clock } from "../clock.ts";
import type { Disk } from "../disk/disk.ts";
import { moveDurably, storageFailed, writeDurably } from "../disk/durable.ts";
import { oneAtATime } from "../one-at-a-time.ts";
import type { SamplesConfig } from "./config.ts";
import type { EraseFile } from "./erase.ts";
import { evictions } from "./eviction.ts";
import { encodeFeatures, FEATURES_EXTENSION } from "./features.ts";
import { createJournal } from "./journal.ts";
import { folderOf } from "./label-folder.ts";
import { INDEX_FOLDER, openStore } from "./open.ts";
import { isBloated } from "./reconcile.ts";
import {
  type Entry,
  entryOf,
  isLabelled,
  type LabelledSample,
  type LabelOrigin,
  outranks,
  type Prediction,
  type StoredSample,
} from "./sample.ts";
import type { SampleIndex } from "./sample-index.ts";

export type { LabelOrigin, Prediction, Sample, StoredSample } from "./sample.ts";

export interface IncomingSample {
  readonly bytes: Uint8Array;
  /** null: nobody has said yet. */
  readonly label: string | null;
  /** With the dot. */
  readonly extension: string;
  /** Who gave the label; without it the folder that the file lay in. */
  readonly origin?: LabelOrigin;
  /** Name of the source. */
  readonly source?: string;
  readonly prediction?: Prediction;
  /** What the model takes in of it, wanted where only that is kept. */
  readonly features?: Tensor<"float32">;
  /** When it came, where that was not now: of samples that are imported. */
  readonly arrivedAtMs?: number;
  /** Of what came in, wanted where the bytes are a features file already. */
  readonly sha256?: string;
}

/** `known`: these bytes are there under this label, or under one that stands against the new one. */
export type Stored = "stored" | "known" | "relabelled";

/** `stands`: what has been said before counts more. */
export type Labelled = "relabelled" | "known" | "stands";

export interface SampleStore {
  start(): Promise<void>;
  stop(): Promise<void>;
  /**
   * When it resolves the sample is on the medium.
   * @throws UNKNOWN_CLASS, NOTHING_KEPT, STORAGE_FAILED (then nothing has changed)
   */
  add(sample: IncomingSample): Promise<Stored>;
  /**
   * Gives a sample another label, or with null takes its label back.
   * @throws NO_SUCH_SAMPLE, UNKNOWN_CLASS, STORAGE_FAILED (then nothing has changed)
   */
  label(sha256: string, label: string | null, origin: LabelOrigin): Promise<Labelled>;
  /** What rounds may use: labelled with a class of the model, oldest first. */
  list(): readonly LabelledSample[];
  unlabelled(): readonly StoredSample[];
  /** All that is kept, also of classes that the model has no more; oldest first. */
  all(): readonly StoredSample[];
  /** Overwrites and removes files, and every trace in journal and index. @throws STORAGE_FAILED, with some of them gone */
  erase(sha256s: readonly string[]): Promise<void>;
}

export interface SampleStoreOptions extends Pick<SamplesConfig, "maxBytes" | "privacy"> {
  readonly directory: string;
  readonly labels: readonly string[];
  /** What features are made by, which are kept in place of files. */
  readonly madeBy: string;
  readonly index: SampleIndex;
  readonly erase: EraseFile;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * Before samples are no longer what they were: another label, none, or gone for good. It comes before, so that a power cut in between
   * makes a round too careful and never a label that was taken back part of what is served.
   */
  readonly beforeChange?: (sha256s: readonly string[]) => Promise<void>;
}

/**
 * Samples as files, content-addressed. The files are the truth for what there is and under which label; the journal for who said so
 * and when it came; the index holds both ready. A change is written in this order, and acknowledged after the second step:
 *
 *   1. a line of the journal, synced       alone it says nothing: no file lies where it says
 *   2. the file, written aside and renamed, or moved into the folder of its label; synced
 *   3. the index, which need not reach the medium
 */
export function createSampleStore(options: SampleStoreOptions): SampleStore {
  const { directory, labels, privacy, index, erase, disk, clock, log } = options;
  const journal = createJournal(disk, join(directory, INDEX_FOLDER, "journal"), erase);
  const classes: ReadonlySet<string> = new Set(labels);
  // By hash, in the order of arrival.
  const samples = new Map<string, StoredSample>();
  /** Of all of them: added up for each new one, ten thousand dropped at once would take hours. */
  let heldBytes = 0;
  let sequence = 0;
  let isIndexBehind = false;
  /** One at a time: two files of the same bytes may come at once. */
  const changes = oneAtATime();

  const pathOf = ({ sha256, label, extension }: Pick<Entry, "sha256" | "label" | "extension">) =>
    join(directory, folderOf(label), `${sha256}${extension}`);

  async function put(incoming: IncomingSample): Promise<Stored> {
    const { label, origin = "folder" } = incoming;
    assertClass(label);
    if (privacy === "none") throw new LichenError("NOTHING_KEPT", { at: "sample store" });
    const sha256 = hashOf(incoming);
    const known = samples.get(sha256);
    if (known !== undefined) {
      if (label === null || (await relabel(known, label, origin)) !== "relabelled") return "known";
      return "relabelled";
    }
    const { bytes, extension } = kept(incoming);
    const entry: Entry = {
      sha256,
      label,
      origin: label === null ? null : origin,
      sequence,
      labelSequence: sequence,
      arrivedAtMs: incoming.arrivedAtMs ?? clock.wallMs(),
      source: incoming.source ?? null,
      prediction: incoming.prediction ?? null,
      extension,
      bytes: bytes.byteLength,
    };
    sequence++;
    const position = await journal.append([entry]);
    await writeDurably(disk, pathOf(entry), bytes);
    samples.set(sha256, { ...entry, path: pathOf(entry), arrivedMs: clock.monotonicMs() });
    heldBytes += entry.bytes;
    await indexed([entry], position);
    await evict(sha256);
    return "stored";
  }

  async function relabel(known: StoredSample, label: string | null, origin: LabelOrigin): Promise<Labelled> {
    const isSaidAgain = known.label === label && (known.origin === origin || label === null);
    if (isSaidAgain) return "known";
    if (!outranks(origin, known.origin)) return known.label === label ? "known" : "stands";
    const { path: before, arrivedMs, ...facts } = known;
    const entry: Entry = { ...facts, label, origin, labelSequence: sequence++ };
    const path = pathOf(entry);
    const now = { ...entry, path, arrivedMs };
    if (known.label !== null && known.label !== label) await options.beforeChange?.([known.sha256]);
    const position = await journal.append([entry]);
    if (path !== before) {
      // A rename, so that at no instant the sample has two labels or none.
      await moveDurably(disk, before, path).catch(async (error) => {
        // The rename may have happened and only its fsync failed: memory follows the disk.
        if (await disk.facts(path).catch(() => undefined)) samples.set(known.sha256, now);
        throw error;
      });
    }
    samples.set(known.sha256, now);
    await indexed([entry], position);
    if (known.label === label) return "known";
    log.info({ sha256: known.sha256, from: known.label, to: label, origin }, "sample labelled anew");
    return "relabelled";
  }

  function kept({ bytes, extension, features }: IncomingSample): { bytes: Uint8Array; extension: string } {
    if (privacy === "raw" || extension === FEATURES_EXTENSION) return { bytes, extension };
    if (features !== undefined)
      return { bytes: encodeFeatures(features, options.madeBy), extension: FEATURES_EXTENSION };
    throw new LichenError("BAD_ARGUMENT", { at: "sample store", found: "a file alone", wanted: "its features" });
  }

  function assertClass(label: string | null): void {
    if (label === null || labels.includes(label)) return;
    throw new LichenError("UNKNOWN_CLASS", { at: "sample store", found: label, wanted: listed(labels) });
  }

  const entries = (): Entry[] => [...samples.values()].map(entryOf);

  /** The index is a view: what it cannot take it is given at the next change, or made of the journal at the next start. */
  async function indexed(changed: readonly Entry[], position: Parameters<SampleIndex["put"]>[1]): Promise<void> {
    try {
      const current = isBloated(position, samples.size) ? await journal.rewrite(entries(), sequence++) : position;
      if (isIndexBehind || current !== position) await index.rewrite({ entries: entries(), position: current });
      else await index.put(changed, position);
      isIndexBehind = false;
    } catch (error) {
      isIndexBehind = true;
      log.warn({ err: error }, "the index of the samples is behind");
    }
  }

  /** The sample just taken stays, whatever its size: it has been acknowledged. */
  async function evict(newest: string): Promise<void> {
    if (heldBytes <= options.maxBytes) return;
    const evicted: string[] = [];
    for (const sample of evictions([...samples.values()], options.maxBytes).filter(({ sha256 }) => sha256 !== newest)) {
      try {
        await disk.remove(sample.path);
        samples.delete(sample.sha256);
        heldBytes -= sample.bytes;
        evicted.push(sample.sha256);
        log.info({ sha256: sample.sha256, label: sample.label }, "sample evicted: the store is full");
      } catch (error) {
        log.warn({ err: error, sha256: sample.sha256 }, "sample could not be evicted");
      }
    }
    if (evicted.length > 0) await index.remove(evicted).catch((err) => log.warn({ err }, "the index is behind"));
  }

  return {
    async start() {
      const opened = await openStore({ directory, labels, index, journal, erase, disk, log });
      sequence = opened.sequence;
      for (const { entry, path } of opened.samples) {
        samples.set(entry.sha256, { ...entry, path, arrivedMs: null });
        heldBytes += entry.bytes;
      }
      warnOfUnwanted([...samples.values()], privacy, log);
    },
    async stop() {
      await changes.do(() => index.close());
    },
    add: (sample) => changes.do(() => put(sample)),
    label: (sha256, label, origin) =>
      changes.do(async () => {
        assertClass(label);
        const known = samples.get(sha256);
        if (known === undefined) throw new LichenError("NO_SUCH_SAMPLE", { found: sha256 });
        return relabel(known, label, origin);
      }),
    list: () => (privacy === "none" ? [] : ofClasses(samples.values(), classes)),
    unlabelled: () => (privacy === "none" ? [] : [...samples.values()].filter((sample) => !isLabelled(sample))),
    all: () => [...samples.values()],
    erase: (sha256s) =>
      changes.do(async () => {
        await options.beforeChange?.(sha256s);
        for (const sha256 of sha256s) {
          const sample = samples.get(sha256);
          if (sample === undefined) continue;
          await erase(sample.path);
          samples.delete(sha256);
          heldBytes -= sample.bytes;
        }
        const position = await journal.rewrite(entries(), sequence++);
        await index.rewrite({ entries: entries(), position }).catch((cause) => {
          isIndexBehind = true;
          throw storageFailed(directory, cause);
        });
      }),
  };
}

/** In one pass: it is asked with every sample that comes. */
function ofClasses(samples: Iterable<StoredSample>, classes: ReadonlySet<string>): LabelledSample[] {
  const found: LabelledSample[] = [];
  for (const sample of samples) if (isLabelled(sample) && classes.has(sample.label)) found.push(sample);
  return found;
}

const hashOf = ({ bytes, extension, sha256 }: IncomingSample): string =>
  extension === FEATURES_EXTENSION && sha256 !== undefined ? sha256 : createHash("sha256").update(bytes).digest("hex");

/** What was kept under another setting stays until somebody purges it: that is not done unasked. */
function warnOfUnwanted(samples: readonly StoredSample[], privacy: SamplesConfig["privacy"], log: Logger): void {
  const unwanted = samples.filter(
    ({ extension }) => privacy === "none" || (privacy === "features" && extension !== FEATURES_EXTENSION),
  );
  if (unwanted.length === 0) return;
  log.warn(
    { samples: unwanted.length, privacy },
    "samples of an earlier privacy setting are kept: see lichen samples purge",
  );
}
