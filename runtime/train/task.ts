import type { WantedClasses } from "../derive/replace.ts";
import { LichenError } from "../errors.ts";
import { listed } from "../listed.ts";
import type { LossName } from "../losses/index.ts";
import type { ModelPackage, Rehearsal } from "../package/package.ts";
import type { Random } from "../random/random.ts";
import { classIndex, type Sample } from "./samples.ts";
import { type Split, splitByClass, splitInto } from "./split.ts";

/** What is learnt from samples: losses that can stand alone. */
export type TaskLoss = Exclude<LossName, "distillation">;

/**
 * What becomes of a model's own classes: they stay the only ones, samples bring others that come behind them, or the samples' classes
 * take their place.
 */
export const CLASS_MODES = ["keep", "extend", "replace"] as const;
export type ClassMode = (typeof CLASS_MODES)[number];

/** Samples sorted out: what each is to be, which of them train and which only judge. */
export interface Task {
  loss: TaskLoss;
  /** The model's classes, and behind them those that the samples bring; those of the samples alone where they replace the model's. */
  classes: readonly string[];
  /** Whether the model's own classes are gone: there is nothing to keep, and nothing to forget. */
  replaced: boolean;
  /** How many classes the model cannot tell by itself. */
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
  /** The adapter that is gone on from: its classes are known too, and may be other ones than the model's. */
  start?: { description: WantedClasses } | undefined;
  /** `keep` by default: a class that is not known is refused. */
  classes?: ClassMode | undefined;
}

/** @throws TOO_FEW_SAMPLES, UNKNOWN_CLASS, ONE_CLASS, BAD_ARGUMENT for labels that do not go with the loss or with the classes */
export function makeTask(model: ModelPackage, options: TaskOptions, share: number, random: Random): Task {
  const { samples: given, heldOut } = options;
  const samples = [...given, ...(heldOut ?? [])];
  const named = samples.map(({ label }) => (label === null ? [] : typeof label === "string" ? [label] : label));
  const loss = options.loss ?? lossFor(samples);
  if (loss === "reconstruction") assertClassesKept(options);
  const { classes, replaced } =
    loss === "reconstruction"
      ? { classes: [...model.card.labels], replaced: false }
      : classesFor(model, named.slice(0, given.length), options);
  const labels =
    loss === "reconstruction"
      ? named.map(() => [])
      : named.map((each) => each.map((name) => classIndex(classes, name)));
  checkLabels(loss, samples, labels);
  const recordings = samples.map(({ recording }) => recording);
  const split: Split = heldOut
    ? { train: [...given.keys()], heldOut: heldOut.map((_, at) => given.length + at) }
    : loss === "cross-entropy"
      ? splitByClass(
          labels.map(([label]) => label ?? -1),
          share,
          random,
          recordings,
        )
      : splitAnyhow(recordings, share, random);
  if (loss === "cross-entropy")
    assertSeveralClasses(
      model,
      replaced,
      split.train.map((at) => labels[at]![0]),
    );
  if (split.train.length === 0)
    throw new LichenError("TOO_FEW_SAMPLES", { found: given.length, wanted: "at least one to train on" });
  const newClasses = classes.length - ownClasses(model, { replaced });
  return { loss, classes, replaced, newClasses, samples, labels, ...split };
}

/** How many of the model's own classes are still there. */
export const ownClasses = ({ card }: ModelPackage, { replaced }: Pick<Task, "replaced">): number =>
  replaced ? 0 : card.labels.length;

/** The examples that keep a model from forgetting; none where its classes are gone, or have no part in what is learnt. */
export const rehearsalFor = ({ rehearsal }: ModelPackage, { loss, replaced }: Task): Rehearsal | undefined =>
  loss === "reconstruction" || replaced ? undefined : rehearsal;

function lossFor(samples: readonly Sample[]): TaskLoss {
  if (samples.some(({ label }) => Array.isArray(label))) return "bce";
  return samples.length > 0 && samples.every(({ label }) => label === null) ? "entropy" : "cross-entropy";
}

/**
 * New classes in alphabetical order, so that the same samples give the same adapter.
 * @param named classes of each sample that may train: of what is only judged by, nothing is learnt
 * @throws UNKNOWN_CLASS, BAD_ARGUMENT, ONE_CLASS
 */
function classesFor(
  { card }: ModelPackage,
  named: readonly (readonly string[])[],
  { start, classes: mode = "keep" }: TaskOptions,
): { classes: string[]; replaced: boolean } {
  const before = start?.description;
  const replaced = mode === "replace" || before?.replaced === true;
  const known = before?.classes ?? (replaced ? [] : card.labels);
  const added = [...new Set(named.flat())].filter((name) => !known.includes(name)).sort();
  const classes = [...known, ...added];
  if (mode === "replace") assertReplaceable(before, added, classes);
  if (added.length === 0 || mode !== "keep") return { classes, replaced };
  throw new LichenError("UNKNOWN_CLASS", {
    found: listed(added),
    wanted: listed(known),
    todo: "rename the class folder, or say what becomes of the model's classes: --classes extend or --classes replace",
  });
}

/** What is reproduced has no classes. @throws BAD_ARGUMENT */
function assertClassesKept({ classes = "keep" }: TaskOptions): void {
  if (classes === "keep") return;
  throw new LichenError("BAD_ARGUMENT", { at: "classes", found: classes, wanted: "keep, to reproduce the input" });
}

/** @throws BAD_ARGUMENT, ONE_CLASS */
function assertReplaceable(
  before: WantedClasses | undefined,
  added: readonly string[],
  classes: readonly string[],
): void {
  if (before && (!before.replaced || added.length > 0)) {
    throw new LichenError("BAD_ARGUMENT", {
      at: "classes to replace",
      found: `an adapter that knows ${before.classes.join(", ")}`,
      wanted: "the base, or an adapter of these very classes",
      todo: "start from the base, or add to the adapter's classes (--classes extend)",
    });
  }
  if (classes.length > 1) return;
  throw new LichenError("ONE_CLASS", {
    found: classes.join() || "no label",
    wanted: "labelled samples of two classes",
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
function assertSeveralClasses(
  { rehearsal, card }: ModelPackage,
  replaced: boolean,
  labels: readonly (number | undefined)[],
): void {
  const present = new Set(labels.filter((label) => label !== undefined));
  const others = !replaced && (card.labels.length < 2 || (rehearsal && rehearsal.labels.length > 0));
  if (present.size !== 1 || others) return;
  throw new LichenError("ONE_CLASS", { found: `${labels.length} samples` });
}

function splitAnyhow(recordings: readonly (string | undefined)[], share: number, random: Random): Split {
  const count = recordings.length;
  return splitInto([...recordings.keys()], Math.min(Math.round(count * share), count - 1), random, recordings);
}
