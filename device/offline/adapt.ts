import {
  type AdaptReport,
  adapt,
  createPreprocessor,
  type GateDecision,
  LichenError,
  loadModel,
  type OpenRows,
  type Progress,
  type TrainingOptions,
} from "../../runtime/index.ts";
import { openRowFile } from "../cache/row-file.ts";
import { nodeDisk } from "../disk/disk.ts";
import { writeDurably } from "../disk/durable.ts";
import { readAdapter } from "./adapter-file.ts";
import { readDataset } from "./dataset.ts";

export interface OfflineAdaptOptions extends Partial<TrainingOptions> {
  model: string;
  data: string;
  method: string;
  out: string;
  /** A folder of held-out samples; without it a part of `data` is held out. */
  val?: string;
  /** An adapter to go on from. */
  start?: string;
  /** Patterns of the layers to adapt. */
  targets?: readonly string[];
  /** Whether folders may name classes that the model does not know. */
  newClasses?: boolean;
  /** A folder where cached activations are kept: for data sets larger than memory, and for the next run on the same samples. */
  cache?: string;
  cacheBytes?: number;
}

/** The schema of `lichen adapt --json`. */
export interface OfflineAdaptResult extends AdaptReport {
  schema: "lichen/adapt/1";
  out: string;
  sha256: string;
  peakRssBytes: number;
  gate: GateDecision;
}

/** Trains an adapter without a daemon and writes it, whatever the gate says of it: the decision is part of the result. */
export async function runOfflineAdapt(
  options: OfflineAdaptOptions,
  onProgress: (progress: Progress) => void,
  signal?: AbortSignal,
): Promise<OfflineAdaptResult> {
  const { model: modelPath, data, val, start, out, cache, cacheBytes = DEFAULT_CACHE_BYTES, ...training } = options;
  const model = await loadModel(modelPath);
  const preprocessor = createPreprocessor(model.card.preprocessing);
  const { adapter, decision, report } = await adapt({
    ...training,
    model,
    samples: await readDataset(data, preprocessor),
    ...(val !== undefined && { heldOut: await readDataset(val, preprocessor) }),
    ...(start !== undefined && { start: await readAdapter(start) }),
    ...(cache !== undefined && { openRows: await rowsIn(cache, cacheBytes) }),
    clockMs: () => performance.now(),
    residentBytes: () => process.memoryUsage.rss(),
    createdAt: new Date().toISOString(),
    onProgress,
    ...(signal && { signal }),
  });
  await writeDurably(nodeDisk, out, adapter.bytes);
  return {
    schema: "lichen/adapt/1",
    out,
    sha256: adapter.sha256,
    ...report,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    gate: decision,
  };
}

const DEFAULT_CACHE_BYTES = 4 * 2 ** 30;

/** @throws STORAGE_FAILED */
async function rowsIn(folder: string, maxBytes: number): Promise<OpenRows> {
  await nodeDisk.makeFolder(folder).catch((cause: unknown) => {
    throw new LichenError("STORAGE_FAILED", { at: folder, found: (cause as Error).message, cause });
  });
  return ({ name, rowBytes }) => openRowFile({ folder, name, rowBytes, maxBytes });
}
