import type { Score } from "../adapter/adapter.ts";
import type { Tensor } from "../onnx/tensor.ts";

/** Softmax of one row of logits, in float64. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(logits);
  const largest = values.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** The first of the largest. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let at = 1; at < values.length; at++) if (values[at]! > values[best]!) best = at;
  return best;
}

/** @param logits [N, classes] */
export function rows(logits: Tensor): Float32Array[] {
  const width = logits.dims.at(-1)!;
  const data = logits.data as Float32Array;
  return Array.from({ length: data.length / width }, (_, row) => data.subarray(row * width, (row + 1) * width));
}

/** Accuracy and mean cross-entropy; null where there is nothing to score. */
export function score(logits: readonly Float32Array[], labels: readonly number[]): Score | null {
  if (labels.length === 0) return null;
  const correct = logits.filter((row, at) => argmax(row) === labels[at]).length;
  const loss = logits.reduce((sum, row, at) => sum - Math.log(Math.max(softmax(row)[labels[at]!]!, 1e-12)), 0);
  return { samples: labels.length, accuracy: correct / labels.length, loss: loss / labels.length };
}
