import { LichenError } from "../errors.ts";
import type { LossName } from "../losses/index.ts";
import type { ModelPackage } from "../package/package.ts";
import { type Random, shuffled } from "../random/random.ts";
import { classIndex, type Sample } from "./samples.ts";
import { type Split, splitByClass } from "./split.ts";

/** What is learnt from samples: losses that can stand alone. */
export type TaskLoss = Exclude<LossName, "distillation">;

/** Samples sorted out: what each is to be, which of them train and which only judge. */
export interface Task {
  loss: TaskLoss;
  /** The model's classes, and behind them those that the samples bring. */
  classes: readonly string[];
  newClasses: number;
  samples: readonly Sample[];
  /** Class numbers of each sample; none of an unlabelled one. */
  labels: readonly (readonly number[])[];
  train: readonly number[];
  heldOut: readonly number[];
}

export interface TaskOptions {
  samples: readonly Sample[];
  /** Held-out samples; without them a part of `samples` is held out. */
  heldOut?: readonly Sample[] | undefined;
  /** What to learn; without it that follows from the labels: none, one, or several for each sample. */
  loss?: TaskLoss | undefined;
  /** Classes that earlier adapters have added already, behind the model's own. */
  known?: readonly string[] | undefined;
  /** Whether samples may bring classes that the model does not know. */
  newClasses?: boolean | undefined;
}

/** @throws TOO_FEW_SAMPLES, UNKNOWN_CLASS, BAD_ARGUMENT for labels that do not go with the loss */
export function makeTask(model: ModelPackage, options: TaskOptions, share: number, random: Random): Task {
  const { samples: given, heldOut } = options;
  const samples = [...given, ...(heldOut ?? [])];
  const named = samples.map(({ label }) => (label === null ? [] : typeof label === "string" ? [label] : label));
  const loss = options.loss ?? lossFor(samples);
  const classes = loss === "reconstruction" ? [...model.card.labels] : classesFor(model, named, options);
  const labels =
    loss === "reconstruction"
      ? named.map(() => [])
      : named.map((each) => each.map((name) => classIndex(classes, name)));
  checkLabels(loss, samples, labels);
  const split: Split = heldOut
    ? { train: [...given.keys()], heldOut: heldOut.map((_, at) => given.length + at) }
    : loss === "cross-entropy"
      ? splitByClass(
          labels.map(([label]) => label ?? -1),
          share,
          random,
        )
      : splitAnyhow(samples.length, share, random);
  if (loss === "cross-entropy")
    assertSeveralClasses(
      model,
      split.train.map((at) => labels[at]![0]),
    );
  if (split.train.length === 0)
    throw new LichenError("TOO_FEW_SAMPLES", { found: given.length, wanted: "at least one to train on" });
  return { loss, classes, newClasses: classes.length - model.card.labels.length, samples, labels, ...split };
}

function lossFor(samples: readonly Sample[]): TaskLoss {
  if (samples.some(({ label }) => Array.isArray(label))) return "bce";
  return samples.length > 0 && samples.every(({ label }) => label === null) ? "entropy" : "cross-entropy";
}

/** New classes in alphabetical order, so that the same samples give the same adapter. @throws UNKNOWN_CLASS */
function classesFor({ card }: ModelPackage, named: readonly (readonly string[])[], options: TaskOptions): string[] {
  const known = [...card.labels, ...(options.known ?? []).filter((name) => !card.labels.includes(name))];
  const added = [...new Set(named.flat())].filter((name) => !known.includes(name)).sort();
  if (added.length === 0 || options.newClasses) return [...known, ...added];
  throw new LichenError("UNKNOWN_CLASS", {
    found: added.join(", "),
    wanted: known.join(", "),
    todo: "rename the class folder, or allow new classes (--new-classes)",
  });
}

/** How many labels a sample may have. */
const LABELS: Readonly<Record<TaskLoss, { wanted: string; most: number }>> = {
  "cross-entropy": { wanted: "one class a sample, or none", most: 1 },
  bce: { wanted: "classes", most: Number.POSITIVE_INFINITY },
  entropy: { wanted: "none", most: 0 },
  reconstruction: { wanted: "none", most: 0 },
};

function checkLabels(loss: TaskLoss, samples: readonly Sample[], labels: readonly (readonly number[])[]): void {
  const { wanted, most } = LABELS[loss];
  const odd = labels.findIndex((each) => each.length > most);
  if (odd < 0) return;
  throw new LichenError("BAD_ARGUMENT", {
    at: `labels of sample ${odd} with ${loss}`,
    found: [samples[odd]!.label].flat().join(", "),
    wanted,
  });
}

/** A model that answers one class always would seem to have gained. @param labels of the training samples @throws ONE_CLASS */
function assertSeveralClasses({ rehearsal, card }: ModelPackage, labels: readonly (number | undefined)[]): void {
  const present = new Set(labels.filter((label) => label !== undefined));
  if (present.size !== 1 || card.labels.length < 2 || (rehearsal && rehearsal.labels.length > 0)) return;
  throw new LichenError("ONE_CLASS", { found: `${labels.length} samples` });
}

function splitAnyhow(count: number, share: number, random: Random): Split {
  const order = shuffled([...Array(count).keys()], random);
  const held = Math.min(Math.round(count * share), count - 1);
  return { heldOut: order.slice(0, held), train: order.slice(held) };
}
