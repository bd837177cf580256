import { type Base, prepareBase } from "../../runtime/derive/base.ts";
import { withClasses } from "../../runtime/derive/replace.ts";
import {
  createPreprocessor,
  DEFAULT_TRAINING,
  errorCode,
  LichenError,
  loadModel,
  type ModelPackage,
} from "../../runtime/index.ts";
import { decodeModel } from "../../runtime/onnx/decode.ts";
import {
  ADAPTIVE,
  assertWithinBudget,
  type Budget,
  type Excess,
  type Explanation,
  type Planned,
  type Prediction,
  type TrainingCosts,
  throughputFrom,
} from "../../runtime/plan/index.ts";
import { fixedBatch, macsPerSample } from "../../runtime/plan/operations.ts";
import { makePlan } from "../../runtime/plan/plan.ts";
import { type PlannedTarget, plannedTargets } from "../../runtime/plan/planned-targets.ts";
import type { Importance } from "../../runtime/plan/spec.ts";
import { seeded } from "../../runtime/random/random.ts";
import { importanceFor, measures, planWithHead } from "../../runtime/train/choose.ts";
import { measureStep } from "../../runtime/train/measured-step.ts";
import { trainingOptions } from "../../runtime/train/options.ts";
import { type Sample, splitRehearsal } from "../../runtime/train/samples.ts";
import { type ClassMode, makeTask, rehearsalFor } from "../../runtime/train/task.ts";
import { readDataset } from "./dataset.ts";
import { type ModelFile, readModelFile } from "./model-file.ts";

export interface OfflinePlanOptions {
  model: string;
  method: string;
  /** Samples to plan for; else `samples` of them are assumed. */
  data?: string;
  samples?: number;
  targets?: readonly string[];
  /** What becomes of the model's classes where folders name others; a head of other classes trains other parameters. */
  classes?: ClassMode;
  epochs?: number;
  batch?: number;
  threads?: number;
  budget: Budget;
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
  /** How much each channel matters: as the samples say, or taken to be alike because there are none; null where it does not count. */
  importance: "measured" | "assumed" | null;
  /** Why `adaptive` chose what it did; null for methods that were told. */
  explanation: Explanation | null;
  /** What was said, and for `adaptive` what it takes for granted where nothing was. */
  budget: Budget;
  /** Bounds that the plan does not keep; none when it fits. */
  excesses: readonly Excess[];
  /** Why a plan that does not fit is refused. */
  refusal: { code: string; message: string } | null;
  /** For a plan that does not fit: the one that changes least about it and does. Null when there is none. */
  nearest: NearestPlan | null;
}

export interface NearestPlan {
  targets: readonly PlannedTarget[];
  batch: number;
  prediction: Prediction;
}

const ASSUMED_SAMPLES = 200;

/** What a method would train on a model, and what that takes; measured where only this machine and these samples know. */
export async function runOfflinePlan(options: OfflinePlanOptions): Promise<OfflinePlanResult> {
  const { method, targets, budget, epochs = DEFAULT_TRAINING.epochs, batch = DEFAULT_TRAINING.batch } = options;
  const source = await readModelFile(options.model);
  const given = await readGiven(options, source);
  const task = taskOf(options, given);
  const own = prepareBase(decodeModel(source.bytes, source.file));
  const base = task ? withClasses(own, task, task.model.card.labels.length) : own;
  const importance = await importanceOf(options, base, task);
  const { samples, rows, shown } = countRows(options, given, task);
  const { optimizer, gradientNorm, threads } = {
    ...DEFAULT_TRAINING,
    ...(options.threads !== undefined && { threads: options.threads }),
  };

  const training: TrainingCosts = { batch, optimizer, rows, epochs, steps: Math.ceil(shown / batch) };
  const request = { targets, importance: importance?.measured, training };
  const classes = task ?? { newClasses: 0 };
  // How fast this machine is shows in a plan's own step; only then can seconds be bounded.
  const { plan: first, prediction: untimed } = planWithHead(base, classes, method, {
    ...request,
    budget: method === ADAPTIVE ? budget : {},
  });
  const terms = [{ loss: "cross-entropy", weight: 1 }] as const;
  const clockMs = () => performance.now();
  const secondsPerStep = await measureStep(first, { optimizer, gradientNorm, terms, batch, threads }, clockMs);
  const throughput = throughputFrom(untimed.operations, secondsPerStep);
  const planned = planWithHead(base, classes, method, { ...request, budget, training: { ...training, throughput } });
  const { plan, prediction, explanation, exceeded, nearest } = planned;
  return {
    schema: "lichen/plan/1",
    method: plan.method,
    targets: plannedTargets(plan),
    frontier: plan.frontier,
    samples,
    rows,
    batch,
    epochs,
    stepsPerEpoch: Math.ceil(shown / batch),
    inference: macsPerSample(base.graph, base.types) * fixedBatch(base.graph),
    prediction,
    measured: { secondsPerStep },
    importance: importance && (importance.measured ? "measured" : "assumed"),
    explanation,
    budget: planned.budget,
    excesses: exceeded,
    refusal: refusalOf(planned),
    nearest: nearest && { targets: plannedTargets(nearest.plan), batch: nearest.batch, prediction: nearest.prediction },
  };
}

/** What there is to plan for: nothing but a bare model, or a package, with samples or without. */
interface Given {
  model: ModelPackage | null;
  samples: readonly Sample[] | null;
}

/** @throws what reading the samples does, BAD_ARGUMENT */
async function readGiven(
  { model: location, data, classes }: OfflinePlanOptions,
  { folder }: ModelFile,
): Promise<Given> {
  if (data === undefined && isOther(classes)) {
    throw new LichenError("BAD_ARGUMENT", {
      at: `--classes ${classes}`,
      found: "no samples",
      wanted: "--data, whose folders name them",
    });
  }
  if (data !== undefined && folder === null) {
    throw new LichenError("BAD_ARGUMENT", {
      at: "--data",
      found: "a bare model, which does not say what samples look like",
      wanted: "a package folder",
      todo: "say how many samples there are, with --samples",
    });
  }
  if (folder === null) return { model: null, samples: null };
  const model = await loadModel(location);
  const samples = data === undefined ? null : await readDataset(data, createPreprocessor(model.card.preprocessing));
  return { model, samples };
}

const isOther = (classes: ClassMode = "keep"): boolean => classes !== "keep";

/** The samples sorted out, where the plan depends on what they are. @throws what sorting them does */
function taskOf({ method, classes, batch, threads }: OfflinePlanOptions, { model, samples }: Given) {
  if (!model || !samples || !(isOther(classes) || method === ADAPTIVE || measures(method))) return null;
  const training = trainingOptions({ batch, threads });
  const task = makeTask(model, { samples, classes }, training.holdOut, seeded(training.seed));
  return { ...task, model, training };
}

/** How much channels matter, for methods that choose among them: measured where there are samples; null for other methods. */
async function importanceOf(
  { method, targets }: OfflinePlanOptions,
  base: Base,
  task: ReturnType<typeof taskOf>,
): Promise<{ measured?: Importance } | null> {
  if (method !== ADAPTIVE && !measures(method)) return null;
  if (!task) return {};
  const { model, training } = task;
  const looksAt = makePlan(base, method === ADAPTIVE ? "full" : method, { ...(targets && { targets }) });
  return { measured: await importanceFor(looksAt, task, training, { model }) };
}

function refusalOf(planned: Planned): OfflinePlanResult["refusal"] {
  try {
    assertWithinBudget(planned);
    return null;
  } catch (error) {
    return { code: errorCode(error), message: (error as Error).message };
  }
}

/** Samples, cached rows with the rehearsal pack, and rows that an epoch shows: what trains, and its share of the pack. */
function countRows(
  { samples: assumed = ASSUMED_SAMPLES }: OfflinePlanOptions,
  { model, samples }: Given,
  task: ReturnType<typeof taskOf>,
): { samples: number; rows: number; shown: number } {
  const count = samples?.length ?? assumed;
  const training = Math.ceil(count * (1 - DEFAULT_TRAINING.holdOut));
  const rehearsal = model && task ? rehearsalFor(model, task) : model?.rehearsal;
  const pack = rehearsal ? splitRehearsal(rehearsal).train.length : 0;
  const mixed = pack === 0 ? 0 : Math.round(training * DEFAULT_TRAINING.rehearsalMix);
  return { samples: count, rows: training + pack, shown: training + mixed };
}
