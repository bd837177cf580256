import type { Confidence, LossScore, Score } from "../adapter/adapter.ts";
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

/** What each sample got. @param logits [N, …] */
export function rows(logits: Tensor, width = logits.dims.at(-1)!): Float32Array[] {
  const data = logits.data as Float32Array;
  return Array.from({ length: data.length / width }, (_, row) => data.subarray(row * width, (row + 1) * width));
}

/**
 * Accuracy and mean cross-entropy; null where there is nothing to score. Samples of classes that the model has no output for yet
 * do not count.
 * @param names of the classes: the score then carries each class by itself
 */
export function score(
  logits: readonly Float32Array[],
  labels: readonly number[],
  names?: readonly string[],
): Score | null {
  const known = labels.flatMap((label, at) => (label < logits[at]!.length ? [{ label, row: logits[at]! }] : []));
  if (known.length === 0) return null;
  const right = known.map(({ label, row }) => argmax(row) === label);
  const correct = right.filter(Boolean).length;
  const loss = known.reduce((sum, { label, row }) => sum - Math.log(Math.max(softmax(row)[label]!, 1e-12)), 0);
  const perClass: NonNullable<Score["perClass"]> = {};
  for (const [at, { label }] of known.entries()) {
    const { samples, correct } = perClass[names?.[label] ?? label] ?? { samples: 0, correct: 0 };
    perClass[names?.[label] ?? label] = { samples: samples + 1, correct: correct + (right[at] ? 1 : 0) };
  }
  return {
    samples: known.length,
    accuracy: correct / known.length,
    loss: loss / known.length,
    ...(names && { perClass }),
  };
}

/** Mean binary cross-entropy over samples and classes. @param targets each [classes], 0 to 1 */
export const multiLabelScore = (
  logits: readonly Float32Array[],
  targets: readonly ArrayLike<number>[],
): LossScore | null => meanLoss(logits, targets, (x, t) => (1 - t) * softplus(x) + t * softplus(-x));

/** Mean squared error over samples and outputs. */
export const reconstructionScore = (
  outputs: readonly Float32Array[],
  targets: readonly ArrayLike<number>[],
): LossScore | null => meanLoss(outputs, targets, (x, t) => (x - t) ** 2);

/** How sure the predictions are, one by one and taken together; null where there are none. */
export function confidence(logits: readonly Float32Array[]): Confidence | null {
  if (logits.length === 0) return null;
  const predictions = logits.map(softmax);
  const marginal = predictions[0]!.map((_, at) => mean(predictions.map((prediction) => prediction[at]!)));
  const counts = marginal.map((_, at) => predictions.filter((prediction) => argmax(prediction) === at).length);
  return {
    samples: logits.length,
    entropy: mean(predictions.map(entropy)),
    marginalEntropy: entropy(marginal),
    topShare: Math.max(...counts) / logits.length,
  };
}

function meanLoss(
  outputs: readonly Float32Array[],
  targets: readonly ArrayLike<number>[],
  loss: (output: number, target: number) => number,
): LossScore | null {
  if (outputs.length === 0) return null;
  const each = outputs.map((row, sample) => mean(Array.from(row, (output, at) => loss(output, targets[sample]![at]!))));
  return { samples: outputs.length, loss: mean(each) };
}

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Of a distribution, nats. */
const entropy = (p: Float64Array): number =>
  p.reduce((sum, value) => (value > 0 ? sum - value * Math.log(value) : sum), 0);

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
