import type { Metrics } from "../adapter/adapter.ts";
import { parametersUnder } from "../adapter/parameters.ts";
import { deriveEpoch, EPOCH } from "../derive/epoch.ts";
import { deriveEvaluation } from "../derive/evaluation.ts";
import { LichenError } from "../errors.ts";
import type { Tensors } from "../execute/session.ts";
import { concatRows, float32 } from "../onnx/tensor.ts";
import { fingerprint } from "../package/package.ts";
import { type Plan, startParameters } from "../plan/plan.ts";
import { predict } from "../plan/predict.ts";
import { type SeededRandom, seeded } from "../random/random.ts";
import { aligned } from "./align.ts";
import { stepsPerEpoch } from "./batches.ts";
import { decodeCheckpoint, encodeCheckpoint, type RunIdentity } from "./checkpoint.ts";
import type { Dataset } from "./dataset.ts";
import { better, type FitState, firstRate, trainParameters } from "./fit.ts";
import { imprinted } from "./imprint.ts";
import { type Measure, measureWith } from "./measure.ts";
import type { TrainingOptions } from "./options.ts";
import { type ProbeOptions, probeLearningRate } from "./probe.ts";
import type { AdaptOptions, CheckpointStore } from "./request.ts";
import { subset } from "./rows.ts";
import { ownClasses, type Task } from "./task.ts";
import { type Evaluator, openEvaluator, openTrainer, type Trainer } from "./trainer.ts";

/** A training run whose samples are cached. */
export interface Run extends AdaptOptions {
  training: TrainingOptions;
  plan: Plan;
  task: Task;
  dataset: Dataset;
  random: SeededRandom;
}

/** Trains from where the incumbent or the base is, and keeps the best that was seen. @throws CANCELLED, DIVERGED */
export async function train(run: Run) {
  const { plan, task, dataset, training } = run;
  const evaluator = await openEvaluator(await deriveEvaluation(plan), plan, { ...training, signal: run.signal });
  try {
    const measure = await measureWith(evaluator, task, dataset);
    const side = { ...dataset.train.side, ...(await teacher(run, evaluator)) };
    const start = await startOf(run, measure);
    const trainer = await openTrainer(await deriveEpoch(plan, { ...training, terms: dataset.terms }), plan, {
      ...training,
      set: { rows: dataset.train.rows, side },
      meter: run.meter,
    });
    try {
      const { checkpoint } = run;
      const identity = identityOf(run);
      const resume = checkpoint && (await takenUp(checkpoint, identity));
      const batches = { ...dataset.batches, mix: training.rehearsalMix, batch: training.batch };
      const { count, rowBytes } = dataset.train.rows;
      const memory = { rows: count, most: Math.max(training.batch, Math.floor(training.cacheMemoryBytes / rowBytes)) };
      const fitted = await trainParameters(trainer, {
        resume,
        onCheckpoint: checkpoint && ((state) => checkpoint.save(encodeCheckpoint(state, identity))),
        epochs: training.epochs,
        learningRate: resume ? firstRate(resume) : await learningRate(run, trainer, { batches, memory, start }),
        schedule: training.schedule,
        patience: training.patience,
        batches,
        memory,
        start,
        random: run.random,
        ...(task.loss === "cross-entropy" && { chance: Math.log(task.classes.length) }),
        signal: run.signal,
        score: measure,
        onEpoch: (done, loss, { heldOut }) =>
          run.onProgress?.({
            phase: "train",
            done,
            total: training.epochs,
            loss,
            ...(heldOut && { accuracy: heldOut.accuracy }),
          }),
      });
      return {
        ...fitted,
        before: await beforeOf(run, measure, fitted.before),
        stateBytes: {
          predicted: predictedBytes(run, Math.min(memory.rows, memory.most)),
          measured: trainer.stateBytes() ?? 0,
        },
      };
    } finally {
      await trainer.close();
    }
  } finally {
    await evaluator.close();
  }
}

function predictedBytes({ plan, training, dataset }: Run, rows: number): number {
  const { batch, optimizer } = training;
  return predict(plan, { batch, optimizer, rows, terms: dataset.terms }).trainingStateBytes;
}

/** Every rate lowers the entropy of predictions until they are all the same: without labels only small ones are tried. */
const UNGUIDED = { first: 1e-3, highest: 3e-3 };

/** The rate that was asked for, or one found by trying. Its randomness is its own: the run that follows is the same either way. */
async function learningRate(
  { training, task, signal, onProgress }: Run,
  trainer: Trainer,
  probe: Pick<ProbeOptions, "batches" | "memory" | "start">,
): Promise<number> {
  if (training.learningRate !== "auto") return training.learningRate;
  onProgress?.({ phase: "probe", done: 0, total: 1 });
  const steps = training.epochs * stepsPerEpoch(probe.batches);
  const bounds = task.loss === "entropy" ? UNGUIDED : {};
  const random = seeded(training.seed);
  const { rate } = await probeLearningRate(trainer, { ...probe, ...bounds, random, steps, signal });
  onProgress?.({ phase: "probe", done: 1, total: 1 });
  return rate;
}

/** Everything that the outcome of a run depends on. */
function identityOf({ model, plan, task, training, dataset, start, augment }: Run): RunIdentity {
  const { loss, classes, replaced } = task;
  // The same folders may add to the model's classes or stand in their place: samples and shapes need not show it.
  const learnt = { loss, classes, replaced };
  return {
    base: model.sha256,
    method: plan.method,
    plan: fingerprint(
      plan.spec,
      training,
      learnt,
      dataset.fingerprint,
      start?.sha256 ?? null,
      augment ?? null,
      dataset.reference !== null,
    ),
  };
}

/** The run that was interrupted, if it was this one: a damaged or foreign checkpoint is as good as none. */
async function takenUp(checkpoint: CheckpointStore, identity: RunIdentity): Promise<FitState | undefined> {
  const bytes = await checkpoint.load();
  if (!bytes) return undefined;
  try {
    return decodeCheckpoint(bytes, identity, "checkpoint");
  } catch (error) {
    if (error instanceof LichenError) return undefined;
    throw error;
  }
}

/**
 * Where training starts: at the adapter that serves now, or at the base; aligned, where that is asked for and better; new classes at the
 * means of their samples.
 */
async function startOf(run: Run, measure: Measure): Promise<Tensors> {
  const { plan, task, dataset, training, signal } = run;
  const from = await alignedOrNot(run, measure, incumbentOf(run));
  const known = knownBefore(run);
  if (known === task.classes.length) return from;
  const { local } = dataset.batches;
  const labels = task.train.map((at) => task.labels[at]![0]);
  return imprinted(plan, from, known, { rows: dataset.train.rows, local, labels }, { ...training, signal });
}

/** Where the place is hardly another one, means that were taken of a few samples do more harm than good. */
async function alignedOrNot(run: Run, measure: Measure, from: Tensors): Promise<Tensors> {
  const { plan, task, training, signal } = run;
  const { train, batches, reference } = run.dataset;
  if (!reference) return from;
  const local = { rows: subset(train.rows, batches.local) };
  const weights = sharesAs(
    task.train.map((at) => task.labels[at]![0]),
    reference.labels,
  );
  const there = { rows: reference.rows, ...(weights && { weights }) };
  const moved = await aligned(plan, from, { local, reference: there, ...training, signal });
  const known = knownBefore(run);
  return better(await measure(moved, known), await measure(from, known)) ? moved : from;
}

/** Weights that give reference samples the classes' shares of local ones; none where nobody has said what those are. */
function sharesAs(local: readonly (number | undefined)[], reference: readonly number[]): number[] | undefined {
  if (local.some((label) => label === undefined)) return undefined;
  const count = (labels: readonly (number | undefined)[], wanted: number) =>
    labels.filter((label) => label === wanted).length;
  const weights = reference.map((label) => count(local, label) / count(reference, label));
  return weights.some((weight) => weight > 0) ? weights : undefined;
}

/** Of what serves now; it has no answer for classes that come only with this adapter. @param started of where training began */
async function beforeOf(run: Run, measure: Measure, started: Metrics): Promise<Metrics> {
  const known = knownBefore(run);
  if (known === run.task.classes.length && !run.dataset.reference) return started;
  if (known > 0) return measure(incumbentOf(run), known);
  // Of several labels a sample there is but a loss, and nothing to compare that with than what imprinting alone gives.
  return run.task.loss === "bce" ? started : { heldOut: null, rehearsal: null };
}

const incumbentOf = ({ plan, start }: Run): Tensors => (start ? parametersUnder(start, plan) : startParameters(plan));

/** How many of the task's classes what serves now can tell. */
const knownBefore = ({ model, task, start }: Run): number =>
  start?.description.classes.length ?? ownClasses(model, task);

/** The base's own logits on every training sample, where a loss asks for them. */
async function teacher({ plan, dataset }: Run, evaluator: Evaluator): Promise<Tensors> {
  const classes = dataset.terms.find(({ loss }) => loss === "distillation")?.teacherClasses;
  if (classes === undefined) return {};
  const logits = await evaluator.logits(dataset.train.rows, startParameters(plan));
  return { [EPOCH.teacher]: concatRows(logits.map((row) => float32([1, classes], row.subarray(0, classes)))) };
}
