import { LichenError } from "../errors.ts";
import { listed } from "../listed.ts";
import type { ValueInfo } from "../onnx/graph.ts";
import { bytesOf, type Tensor } from "../onnx/tensor.ts";
import { type ModelPackage, type Rehearsal, sha256 } from "../package/package.ts";
import type { Random } from "../random/random.ts";

/** A recording, as a model's preprocessing makes it, and what is known of it. */
export interface Sample {
  /** Its class; several where a model's outputs are independent of each other; null where nobody has said. */
  label: string | readonly string[] | null;
  /** [1, …], float32; a function is called when the features are needed, so that a data set may exceed memory. */
  features: Tensor | (() => Promise<Tensor>);
  /** Features of the same recording as it might have been, one for each source of randomness. */
  views?: (randoms: readonly Random[]) => Promise<readonly Tensor[]>;
  /** sha256 of the file, with what tells it from others of the same file; sha256 of the features where absent. */
  id?: string;
  /** The recording that it is only a part of: its parts are never both trained on and held out. */
  recording?: string;
}

export const featuresOf = async ({ features }: Sample): Promise<Tensor> =>
  typeof features === "function" ? features() : features;

/** Features as a value of the model takes them. @throws BAD_SAMPLE for another shape, or for what is no number */
export function checkedFeatures(features: Tensor, wanted: ValueInfo): Tensor {
  const { type, dims, data } = features;
  const fits = type === wanted.type && dims.length === wanted.shape.length;
  if (!fits || wanted.shape.some((size, axis) => axis > 0 && size !== dims[axis])) {
    throw new LichenError("BAD_SAMPLE", {
      at: `input ${wanted.name}`,
      found: `${type}[${dims}]`,
      wanted: `${wanted.type}[${wanted.shape}]`,
      todo: "prepare the sample as the model's card says",
    });
  }
  if (type !== "float32" || (data as Float32Array).every(Number.isFinite)) return features;
  throw new LichenError("BAD_SAMPLE", {
    at: `input ${wanted.name}`,
    found: "a value that is no number",
    wanted: "finite numbers",
    todo: "check the sensor, and what prepares its recordings",
  });
}

export const sampleId = async (sample: Sample): Promise<string> =>
  sample.id ?? sha256(bytesOf(await featuresOf(sample)));

/** @throws UNKNOWN_CLASS */
export function classIndex(classes: readonly string[], label: string): number {
  const index = classes.indexOf(label);
  if (index < 0) throw new LichenError("UNKNOWN_CLASS", { found: label, wanted: listed(classes) });
  return index;
}

/** The one class of a sample. @throws UNKNOWN_CLASS, BAD_ARGUMENT when it has none, or several */
export function labelIndex(classes: readonly string[], { label }: Sample): number {
  if (typeof label === "string") return classIndex(classes, label);
  throw new LichenError("BAD_ARGUMENT", {
    at: "a sample's label",
    found: label === null ? "none" : label.join(", "),
    wanted: "one class",
  });
}

/** The classes that are answered with: the model's own, or an adapter's, which has them with others behind, or others alone. */
export const classesOf = (model: ModelPackage, adapter?: { description: { classes: readonly string[] } }): string[] => [
  ...(adapter?.description.classes ?? model.card.labels),
];

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
