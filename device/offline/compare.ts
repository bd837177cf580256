import {
  adapt,
  createPreprocessor,
  evaluate,
  LichenError,
  loadModel,
  METHODS,
  type ModelPackage,
  type Progress,
  type Sample,
  type TrainingOptions,
} from "../../runtime/index.ts";
import { ADAPTIVE, type Budget } from "../../runtime/plan/index.ts";
import type { ClassMode } from "../../runtime/train/task.ts";
import { nodeDisk } from "../disk/disk.ts";
import { writeDurably } from "../disk/durable.ts";
import { createMemoryMeter } from "../memory-meter.ts";
import { inMemory, readDataset, readLabelled } from "./dataset.ts";
import { scatterSvg } from "./plot/scatter.ts";

export interface OfflineCompareOptions extends Partial<Omit<TrainingOptions, "seed">> {
  model: string;
  data: string;
  /** Samples to measure with, that neither train nor stop the training; without them a held-out part of `data` does both. */
  val?: string;
  methods?: readonly string[];
  targets?: readonly string[];
  /** What becomes of the model's classes where folders name others. */
  classes?: ClassMode;
  /** What each method may take; one that takes more is told, and not run. */
  budget?: Budget;
  /** Runs of each method. */
  seeds?: number;
  /** Where a plot goes, and what it shows as cost. */
  svg?: string;
  cost?: CostName;
}

/** Mean and standard deviation over the seeds; of one seed the deviation is 0. */
export interface Spread {
  mean: number;
  deviation: number;
  values: readonly number[];
}

/** What training with a method gave and took; of one seed a number each, of several their spread. */
interface Figures<Each> {
  accuracy: Each;
  trainableParameters: number;
  adapterBytes: number;
  epochs: Each;
  seconds: { cache: Each; train: Each; total: Each };
  trainingStateBytes: { predicted: number; measured: number };
}

export interface ComparedMethod extends Figures<Spread> {
  method: string;
  /** Seeds whose adapter the gate accepted. */
  accepted: number;
}

/** A method that could not be run, and why. */
export interface FailedMethod {
  method: string;
  code: string;
  reason: string;
}

/** The schema of `lichen compare --json`. */
export interface OfflineCompareResult {
  schema: "lichen/compare/1";
  model: string;
  samples: number;
  /** How many samples the accuracy is of, and where they are from. */
  measuredOn: { samples: number; from: "val" | "held out of data" };
  seeds: number;
  /** null where it does not know the samples' classes. */
  base: { accuracy: number | null };
  /** In the order they were asked for. */
  methods: readonly ComparedMethod[];
  failed: readonly FailedMethod[];
  svg: string | null;
}

/** What a plot can show on its horizontal axis. */
export const COSTS = {
  seconds: ["seconds of a whole round", (each) => each.seconds.total.mean],
  memory: ["bytes of training state", (each) => each.trainingStateBytes.predicted],
  adapter: ["bytes of the adapter", (each) => each.adapterBytes],
} as const satisfies Record<string, readonly [label: string, of: (each: ComparedMethod) => number]>;

export type CostName = keyof typeof COSTS;

/** Every method by itself, the two pairs that cost little more than one, and what decides by itself. */
const DEFAULT_METHODS: readonly string[] = [...METHODS.map(({ name }) => name), "head+bias", "bias+scale", ADAPTIVE];

const DEFAULT_SEEDS = 1;

/**
 * Trains with every method on the same samples, and puts accuracy and cost side by side. A method that cannot be run on this model
 * is told with its reason, and does not stop the others.
 * @throws whatever stops them all: a model or samples that cannot be read, CANCELLED
 */
export async function runOfflineCompare(
  options: OfflineCompareOptions,
  onProgress: (progress: Progress, of: string) => void,
  signal?: AbortSignal,
): Promise<OfflineCompareResult> {
  const { model: location, data, val, methods = DEFAULT_METHODS, seeds = DEFAULT_SEEDS, svg, cost, ...given } = options;
  const model = await loadModel(location);
  const preprocessor = createPreprocessor(model.card.preprocessing);
  const samples = await inMemory(await readDataset(data, preprocessor));
  const judges =
    val === undefined
      ? undefined
      : await judgesOf(model, await inMemory(await readLabelled(val, preprocessor)), given, signal);

  const runs = new Map<string, Run[]>();
  const failed: FailedMethod[] = [];
  for (const method of methods) {
    try {
      const found: Run[] = [];
      for (let seed = 1; seed <= seeds; seed++) {
        const of = seeds === 1 ? method : `${method}, seed ${seed} of ${seeds}`;
        found.push(
          await runOnce(model, samples, judges, {
            ...given,
            method,
            seed,
            onProgress: (progress) => onProgress(progress, of),
            ...(signal && { signal }),
          }),
        );
      }
      runs.set(method, found);
    } catch (error) {
      if (!(error instanceof LichenError) || error.code === "CANCELLED") throw error;
      failed.push({ method, code: error.code, reason: error.message });
    }
  }
  const base = [...runs.values()].flat()[0]?.base;
  if (base === undefined) throw noneRan(failed);
  const result: OfflineCompareResult = {
    schema: "lichen/compare/1",
    model: model.card.id,
    samples: samples.length,
    measuredOn: { samples: base.samples, from: judges ? "val" : "held out of data" },
    seeds,
    base: { accuracy: base.accuracy },
    methods: [...runs].map(([method, found]) => summarize(method, found)),
    failed,
    svg: svg ?? null,
  };
  if (svg !== undefined) await writeDurably(nodeDisk, svg, new TextEncoder().encode(plotOf(result, cost)));
  return result;
}

interface Measured {
  /** null: the classes are none of the base's. */
  accuracy: number | null;
  samples: number;
}

/** One method with one seed. */
export interface Run extends Figures<number> {
  base: Measured;
  accepted: boolean;
}

/** Samples that only measure, and what the base makes of them. */
interface Judges {
  samples: readonly Sample[];
  base: Measured;
}

async function judgesOf(
  model: ModelPackage,
  samples: readonly Sample[],
  { threads = 1 }: { threads?: number },
  signal: AbortSignal | undefined,
): Promise<Judges> {
  const known = samples.every(({ label }) =>
    [label].flat().every((name) => model.card.labels.includes(name as string)),
  );
  if (!known) return { samples, base: { accuracy: null, samples: samples.length } };
  return { samples, base: await evaluate({ model, samples, threads, ...(signal && { signal }) }) };
}

type RunOptions = Omit<Parameters<typeof adapt>[0], "model" | "samples" | "heldOut">;

async function runOnce(
  model: ModelPackage,
  samples: readonly Sample[],
  judges: Judges | undefined,
  options: RunOptions,
): Promise<Run> {
  const { adapter, decision, report } = await adapt({
    ...options,
    model,
    samples,
    clockMs: () => performance.now(),
    meter: createMemoryMeter(),
  });
  const { threads = 1, signal } = options;
  const after = judges
    ? await evaluate({ model, adapter, samples: judges.samples, threads, ...(signal && { signal }) })
    : report.after.heldOut;
  if (!after) {
    throw new LichenError("TOO_FEW_SAMPLES", {
      found: "none to measure with",
      wanted: "enough of each class to hold some out, or --val",
    });
  }
  const base = judges?.base ?? report.before.heldOut ?? { accuracy: null, samples: after.samples };
  return { ...report, base, accuracy: after.accuracy, accepted: decision.accepted };
}

/** The seeds of a method as one row. */
export function summarize(method: string, runs: readonly Run[]): ComparedMethod {
  const over = (of: (run: Run) => number) => spreadOf(runs.map(of));
  const most = (of: (run: Run) => number) => Math.max(...runs.map(of));
  return {
    method,
    accuracy: over(({ accuracy }) => accuracy),
    // What is chosen may depend on the seed: what has to be provided for is the most.
    trainableParameters: most(({ trainableParameters }) => trainableParameters),
    adapterBytes: most(({ adapterBytes }) => adapterBytes),
    epochs: over(({ epochs }) => epochs),
    seconds: {
      cache: over(({ seconds }) => seconds.cache),
      train: over(({ seconds }) => seconds.train),
      total: over(({ seconds }) => seconds.total),
    },
    trainingStateBytes: {
      predicted: most(({ trainingStateBytes }) => trainingStateBytes.predicted),
      measured: most(({ trainingStateBytes }) => trainingStateBytes.measured),
    },
    accepted: runs.filter(({ accepted }) => accepted).length,
  };
}

export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)), values };
}

/** Accuracy against cost, as an SVG picture. */
export function plotOf(
  { model, samples, base, methods, seeds }: OfflineCompareResult,
  cost: CostName = "seconds",
): string {
  const [costLabel, costOf] = COSTS[cost];
  return scatterSvg({
    title: `${model}: every method on ${samples} samples${seeds > 1 ? `, ${seeds} seeds` : ""}`,
    costLabel,
    ...(base.accuracy !== null && {
      reference: { label: `base ${(base.accuracy * 100).toFixed(1)} %`, accuracy: base.accuracy },
    }),
    points: methods.map((each) => ({
      label: each.method,
      cost: costOf(each),
      accuracy: each.accuracy.mean,
      spread: each.accuracy.deviation,
    })),
  });
}

/** Where every method failed for one reason, that is the reason. */
function noneRan(failed: readonly FailedMethod[]): LichenError {
  const reasons = [...new Set(failed.map(({ reason }) => reason))];
  return new LichenError("BAD_ARGUMENT", {
    at: "lichen compare",
    found: reasons.length === 0 ? "no methods" : reasons.join(" "),
    wanted: "at least one method that can be run",
  });
}
