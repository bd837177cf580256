import { prepareBase } from "../../runtime/derive/base.ts";
import { createPreprocessor, DEFAULT_TRAINING, LichenError, loadModel } from "../../runtime/index.ts";
import { decodeModel } from "../../runtime/onnx/decode.ts";
import { type Budget, type Excess, excesses, nearestPlan } from "../../runtime/plan/budget.ts";
import { fixedBatch, macsPerSample } from "../../runtime/plan/operations.ts";
import { makePlan, type Plan } from "../../runtime/plan/plan.ts";
import { type Prediction, predict, type TrainingCosts, throughputFrom } from "../../runtime/plan/predict.ts";
import { splitRehearsal } from "../../runtime/train/samples.ts";
import { readDataset } from "./dataset.ts";
import { measureStep } from "./measured-step.ts";
import { readModelFile } from "./model-file.ts";

export interface OfflinePlanOptions {
  model: string;
  method: string;
  /** Samples to plan for; else `samples` of them are assumed. */
  data?: string;
  samples?: number;
  targets?: readonly string[];
  epochs?: number;
  batch?: number;
  threads?: number;
  budget: Budget;
}

export interface PlannedTarget {
  /** A layer, or a place for a module. */
  at: string;
  methods: readonly string[];
  parameters: number;
}

/** The schema of `lichen plan --json`. */
export interface OfflinePlanResult {
  schema: "lichen/plan/1";
  method: string;
  targets: readonly PlannedTarget[];
  frontier: readonly string[];
  samples: number;
  rows: number;
  batch: number;
  epochs: number;
  stepsPerEpoch: number;
  /** Multiply-accumulates of an inference of one sample. */
  inference: number;
  prediction: Prediction;
  /** Seconds of a step on this machine, from which `prediction.seconds` follows. */
  measured: { secondsPerStep: number };
  budget: Budget;
  /** Bounds that the plan does not keep; none when it fits. */
  excesses: readonly Excess[];
  /** For a plan that does not fit: the one that changes least about it and does. Null when there is none. */
  nearest: NearestPlan | null;
}

export interface NearestPlan {
  targets: readonly PlannedTarget[];
  batch: number;
  prediction: Prediction;
}

const ASSUMED_SAMPLES = 200;

/** What a method would train on a model, and what that takes; measured where only this machine knows. */
export async function runOfflinePlan(options: OfflinePlanOptions): Promise<OfflinePlanResult> {
  const { method, budget, epochs = DEFAULT_TRAINING.epochs, batch = DEFAULT_TRAINING.batch } = options;
  const { file, bytes, folder } = await readModelFile(options.model);
  const base = prepareBase(decodeModel(bytes, file));
  const plan = makePlan(base, method, { ...(options.targets && { targets: options.targets }) });
  const { samples, rows, shown } = await countRows(options, folder);
  const { optimizer, gradientNorm, threads } = { ...DEFAULT_TRAINING, ...given(options.threads) };

  const costs: TrainingCosts = { batch, optimizer, rows, epochs, steps: Math.ceil(shown / batch) };
  const terms = [{ loss: "cross-entropy", weight: 1 }] as const;
  const clockMs = () => performance.now();
  const secondsPerStep = await measureStep(plan, { optimizer, gradientNorm, terms, batch, threads }, clockMs);
  const throughput = throughputFrom(predict(plan, costs).operations, secondsPerStep);
  const prediction = predict(plan, { ...costs, throughput });
  const found = excesses(prediction, budget);
  const nearest = found.length > 0 ? nearestPlan({ base, method, plan }, { ...costs, throughput }, budget) : null;
  return {
    schema: "lichen/plan/1",
    method: plan.method,
    targets: targetsOf(plan),
    frontier: plan.frontier,
    samples,
    rows,
    batch,
    epochs,
    stepsPerEpoch: Math.ceil(shown / batch),
    inference: macsPerSample(base.graph, base.types) * fixedBatch(base.graph),
    prediction,
    measured: { secondsPerStep },
    budget,
    excesses: found,
    nearest: nearest && { targets: targetsOf(nearest.plan), batch: nearest.batch, prediction: nearest.prediction },
  };
}

const given = (threads: number | undefined) => (threads === undefined ? {} : { threads });

/** Samples, cached rows with the rehearsal pack, and rows that an epoch shows: what trains, and its share of the pack. */
async function countRows(
  { model, data, samples = ASSUMED_SAMPLES }: OfflinePlanOptions,
  folder: string | null,
): Promise<{ samples: number; rows: number; shown: number }> {
  if (data !== undefined && folder === null) {
    throw new LichenError("BAD_ARGUMENT", {
      at: "--data",
      found: "a bare model, which does not say what samples look like",
      wanted: "a package folder",
      todo: "say how many samples there are, with --samples",
    });
  }
  const loaded = folder === null ? null : await loadModel(model);
  const count =
    data === undefined ? samples : (await readDataset(data, createPreprocessor(loaded!.card.preprocessing))).length;
  const training = Math.ceil(count * (1 - DEFAULT_TRAINING.holdOut));
  const pack = loaded?.rehearsal ? splitRehearsal(loaded.rehearsal).train.length : 0;
  const mixed = pack === 0 ? 0 : Math.round(training * DEFAULT_TRAINING.rehearsalMix);
  return { samples: count, rows: training + pack, shown: training + mixed };
}

function targetsOf({ targets, modules }: Plan): PlannedTarget[] {
  const size = (parameters: readonly { dims: readonly number[] }[]) =>
    parameters.reduce((sum, { dims }) => sum + dims.reduce((product, dim) => product * dim, 1), 0);
  return [
    ...modules.map(({ site, method, parameters }) => ({
      at: site.name,
      methods: [method.name],
      parameters: size(parameters),
    })),
    ...targets.map(({ layer, parts }) => ({
      at: layer.name,
      methods: parts.map(({ method }) => method.name),
      parameters: size(parts.flatMap(({ parameters }) => parameters)),
    })),
  ];
}
