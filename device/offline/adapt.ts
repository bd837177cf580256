import type { WantedClasses } from "../../runtime/derive/replace.ts";
import {
  type Adapter,
  type AdaptReport,
  adapt,
  createPreprocessor,
  type GateDecision,
  LichenError,
  loadModel,
  type OpenRows,
  type Progress,
  type Sample,
  type TrainingOptions,
} from "../../runtime/index.ts";
import type { Budget } from "../../runtime/plan/index.ts";
import type { ClassMode, TaskLoss } from "../../runtime/train/task.ts";
import { openRowFile } from "../cache/row-file.ts";
import { nodeDisk } from "../disk/disk.ts";
import { writeDurably } from "../disk/durable.ts";
import { makeFolder } from "../disk/folder.ts";
import { createMemoryMeter } from "../memory-meter.ts";
import { readAdapter } from "./adapter-file.ts";
import { createdAt } from "./created-at.ts";
import { readDataset, recordingsIn } from "./dataset.ts";
import { makePlaceFor } from "./place.ts";
import { resumable } from "./resumable.ts";

export interface OfflineAdaptOptions extends Partial<TrainingOptions> {
  model: string;
  data: string;
  out: string;
  /** Without one, what suits the samples: see `DEFAULT_METHODS`. */
  method?: string;
  /** Without one, that follows from the labels. */
  loss?: TaskLoss;
  /** A folder of held-out samples; without it a part of `data` is held out. */
  val?: string;
  /** An adapter to go on from. */
  start?: string;
  /** Patterns of the layers to adapt. */
  targets?: readonly string[];
  /** What becomes of the model's classes where folders name others; by default such a folder is an error. */
  classes?: ClassMode;
  /** Whether training starts by aligning with the rehearsal pack. */
  align?: boolean;
  /** A plan that takes more is refused; `adaptive` chooses within it. */
  budget?: Budget;
  /** A folder where cached activations are kept: for data sets larger than memory, and for the next run on the same samples. */
  cache?: string;
  cacheBytes?: number;
  /** Whether an interrupted run is begun anew. */
  fresh?: boolean;
}

/** The schema of `lichen adapt --json`. */
export interface OfflineAdaptResult extends AdaptReport {
  schema: "lichen/adapt/1";
  out: string;
  sha256: string;
  /** What was read of `data`: a long recording has several windows, each of which is a sample. */
  data: { samples: number; recordings: number };
  /** Classes that this adapter adds to what was served before. */
  newClasses: readonly string[];
  /** Whether its classes are in the place of the model's own. */
  replaced: boolean;
  peakRssBytes: number;
  gate: GateDecision;
}

/**
 * A head may go anywhere without a label to hold it: there only what normalization layers hold is trained.
 * @see Wang et al. 2021, arXiv:2006.10726
 */
export const DEFAULT_METHODS = { labelled: "head+bias", unlabelled: "bias+scale" } as const;

export interface OfflineAdaptWatch {
  progress(progress: Progress): void;
  /** What a person should know of and a script need not. */
  note(text: string): void;
}

/** Trains an adapter without a daemon and writes it, whatever the gate says of it: the decision is part of the result. */
export async function runOfflineAdapt(
  options: OfflineAdaptOptions,
  watch: OfflineAdaptWatch,
  signal?: AbortSignal,
): Promise<OfflineAdaptResult> {
  const { model: modelPath, data, val, start: startPath, out, cache, ...rest } = options;
  const { cacheBytes = DEFAULT_CACHE_BYTES, fresh = false, loss, method, ...training } = rest;
  const model = await loadModel(modelPath);
  const start = startPath === undefined ? undefined : await readAdapter(startPath);
  const preprocessor = createPreprocessor(model.card.preprocessing);
  const read = async (folder: string) =>
    samplesFor(loss, await readDataset(folder, preprocessor, { severalLabels: loss === "bce" }));
  const samples = await read(data);
  const heldOut = val === undefined ? undefined : await read(val);
  const openRows = cache === undefined ? undefined : await rowsIn(cache, cacheBytes);

  await makePlaceFor(out, modelPath);
  return resumable({ out, fresh, note: watch.note }, async (checkpoint, onProgress) => {
    const { adapter, decision, report } = await adapt({
      ...training,
      method: method ?? start?.description.method ?? defaultMethod(samples, loss),
      model,
      samples,
      checkpoint,
      ...(loss && { loss }),
      ...(heldOut && { heldOut }),
      ...(start && { start }),
      ...(openRows && { openRows }),
      ...(signal && { signal }),
      clockMs: () => performance.now(),
      meter: createMemoryMeter(),
      createdAt: createdAt(),
      onProgress: (progress) => {
        onProgress(progress);
        watch.progress(progress);
      },
    });
    await writeDurably(nodeDisk, out, adapter.bytes);
    return {
      schema: "lichen/adapt/1",
      out,
      sha256: adapter.sha256,
      ...report,
      data: { samples: samples.length, recordings: recordingsIn(samples) },
      newClasses: addedClasses(adapter, start?.description ?? { classes: model.card.labels }),
      replaced: adapter.description.replaced === true,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
      gate: decision,
    };
  });
}

/** What an adapter can tell, and what served before cannot. */
const addedClasses = ({ description }: Adapter, before: WantedClasses): string[] =>
  description.classes.slice(description.replaced === before.replaced ? before.classes.length : 0);

/** @throws BAD_ARGUMENT where nobody has said which of several classes a sample has */
function samplesFor(loss: TaskLoss | undefined, samples: readonly Sample[]): readonly Sample[] {
  if (loss === "entropy") return samples.map((sample) => ({ ...sample, label: null }));
  if (loss !== "bce" || samples.every(({ label }) => label !== null)) return samples;
  throw new LichenError("BAD_ARGUMENT", {
    at: "--loss bce",
    found: "samples without a label",
    wanted: "class folders, joined by + where a sample has several, and _none for samples of no class",
  });
}

const defaultMethod = (samples: readonly Sample[], loss: TaskLoss | undefined): string =>
  loss === "reconstruction" || samples.some(({ label }) => label !== null)
    ? DEFAULT_METHODS.labelled
    : DEFAULT_METHODS.unlabelled;

const DEFAULT_CACHE_BYTES = 4 * 2 ** 30;

/** @throws STORAGE_FAILED */
async function rowsIn(folder: string, maxBytes: number): Promise<OpenRows> {
  await makeFolder(nodeDisk, folder);
  return ({ name, rowBytes }) => openRowFile({ folder, name, rowBytes, maxBytes });
}
