import { LichenError } from "../errors.ts";
import type { Tensor } from "../onnx/tensor.ts";
import type { ModelPackage, Rehearsal } from "../package/package.ts";
import type { Random } from "../random/random.ts";
import { splitByClass } from "./split.ts";

export interface LabelledFeatures {
  /** [1, …], float32, as the model's preprocessing makes them. */
  features: Tensor;
  label: string;
}

/** Samples with their class numbers, and which of them train and which are held out. */
export interface LocalSamples {
  features: readonly Tensor[];
  labels: readonly number[];
  train: readonly number[];
  heldOut: readonly number[];
}

/** @throws TOO_FEW_SAMPLES, UNKNOWN_CLASS */
export function assignSamples(
  model: ModelPackage,
  samples: readonly LabelledFeatures[],
  heldOut: readonly LabelledFeatures[] | undefined,
  share: number,
  random: Random,
): LocalSamples {
  const all = [...samples, ...(heldOut ?? [])];
  const labels = all.map((sample) => classIndex(model, sample.label));
  const split = heldOut
    ? { train: [...samples.keys()], heldOut: heldOut.map((_, at) => samples.length + at) }
    : splitByClass(labels, share, random);
  if (split.train.length === 0)
    throw new LichenError("TOO_FEW_SAMPLES", { found: samples.length, wanted: "at least one to train on" });
  return { features: all.map((sample) => sample.features), labels, ...split };
}

/** @throws UNKNOWN_CLASS */
export function classIndex({ card }: ModelPackage, label: string): number {
  const index = card.labels.indexOf(label);
  if (index < 0) throw new LichenError("UNKNOWN_CLASS", { found: label, wanted: card.labels.join(", ") });
  return index;
}

/** Of each class every other example trains along, and the rest only measures what is forgotten. */
export function splitRehearsal(rehearsal: Rehearsal): { train: number[]; heldOut: number[] } {
  const seen = new Map<number, number>();
  const split = { train: [] as number[], heldOut: [] as number[] };
  rehearsal.labels.forEach((label, index) => {
    const count = seen.get(label) ?? 0;
    seen.set(label, count + 1);
    (count % 2 === 0 ? split.train : split.heldOut).push(index);
  });
  return split;
}
