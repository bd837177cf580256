import {
  createPreprocessor,
  type Evaluation,
  evaluate,
  evaluateLoss,
  type LossEvaluation,
  loadModel,
  type MeasuredLoss,
} from "../../runtime/index.ts";
import { readAdapter } from "./adapter-file.ts";
import { readDataset, readLabelled, recordingsIn } from "./dataset.ts";

export interface OfflineEvalOptions {
  model: string;
  data: string;
  adapter?: string;
  /** What the model was made for; `cross-entropy` by default, of which alone there is an accuracy. */
  loss?: "cross-entropy" | MeasuredLoss;
  threads?: number;
}

interface Evaluated {
  schema: "lichen/eval/1";
  adapter: string | null;
  /** What `loss` is. */
  measured: "cross-entropy" | MeasuredLoss;
  /** How many files the samples are of: a long recording has several windows, each of which is a sample. */
  recordings: number;
}

/** Samples of several classes taken together; an accuracy of none is null. */
export interface Together {
  samples: number;
  accuracy: number | null;
}

/** The schema of `lichen eval --json`. */
export type OfflineEvalResult =
  | (Evaluated & { measured: "cross-entropy" } & Evaluation & {
        /** Classes that the adapter has added, and how old and new ones do by themselves; null without new ones. */
        newClasses: { names: readonly string[]; old: Together; new: Together } | null;
      })
  | (Evaluated & { measured: MeasuredLoss; accuracy: null; perClass: null } & LossEvaluation);

/** How well a model does, with or without an adapter, on a folder of samples. */
export async function runOfflineEval(options: OfflineEvalOptions, signal?: AbortSignal): Promise<OfflineEvalResult> {
  const model = await loadModel(options.model);
  const adapter = options.adapter === undefined ? undefined : await readAdapter(options.adapter);
  const preprocessor = createPreprocessor(model.card.preprocessing);
  const { loss = "cross-entropy", threads } = options;
  const work = {
    model,
    clockMs: () => performance.now(),
    ...(adapter && { adapter }),
    ...(threads !== undefined && { threads }),
    ...(signal && { signal }),
  };
  const about = { schema: "lichen/eval/1", adapter: adapter?.sha256 ?? null } as const;
  if (loss !== "cross-entropy") {
    const read = loss === "bce" ? readLabelled : readDataset;
    const samples = await read(options.data, preprocessor, { severalLabels: loss === "bce" });
    return {
      ...about,
      measured: loss,
      recordings: recordingsIn(samples),
      accuracy: null,
      perClass: null,
      ...(await evaluateLoss(loss, { ...work, samples })),
    };
  }
  const samples = await readLabelled(options.data, preprocessor);
  const evaluation = await evaluate({ ...work, samples });
  const { classes = [], replaced = false } = adapter?.description ?? {};
  const added = replaced ? [] : classes.slice(model.card.labels.length);
  const newClasses = added.length > 0 ? apart(evaluation, added) : null;
  return { ...about, measured: loss, recordings: recordingsIn(samples), ...evaluation, newClasses };
}

/** How old classes do, and new ones. */
function apart({ perClass }: Evaluation, names: readonly string[]) {
  const together = (wanted: boolean): Together => {
    const own = Object.entries(perClass).flatMap(([name, each]) => (names.includes(name) === wanted ? each : []));
    const samples = own.reduce((sum, each) => sum + each.samples, 0);
    const correct = own.reduce((sum, each) => sum + Math.round(each.samples * each.accuracy), 0);
    return { samples, accuracy: samples === 0 ? null : correct / samples };
  };
  return { names, old: together(false), new: together(true) };
}
