import { createPreprocessor, type Evaluation, evaluate, loadModel } from "../../runtime/index.ts";
import { readAdapter } from "./adapter-file.ts";
import { readDataset } from "./dataset.ts";

export interface OfflineEvalOptions {
  model: string;
  data: string;
  adapter?: string;
  threads?: number;
}

/** The schema of `lichen eval --json`. */
export interface OfflineEvalResult extends Evaluation {
  schema: "lichen/eval/1";
  adapter: string | null;
  /** Inference alone, one sample at a time; decoding and features not counted. */
  millisecondsPerSample: number;
}

/** Accuracy of a model, with or without an adapter, on a folder of labelled samples. */
export async function runOfflineEval(options: OfflineEvalOptions): Promise<OfflineEvalResult> {
  const model = await loadModel(options.model);
  const adapter = options.adapter === undefined ? undefined : await readAdapter(options.adapter);
  const samples = await readDataset(options.data, createPreprocessor(model.card.preprocessing));
  const evaluation = await evaluate({
    model,
    samples,
    clockMs: () => performance.now(),
    ...(adapter && { adapter }),
    ...(options.threads !== undefined && { threads: options.threads }),
  });
  return { schema: "lichen/eval/1", adapter: adapter?.sha256 ?? null, ...evaluation };
}
