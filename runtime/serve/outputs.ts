import type { Activation } from "../derive/base.ts";
import { softmax } from "../train/score.ts";

/** What a model answers, made logits or probabilities of, whatever it ends with. */
interface OutputForm {
  logits(row: Float32Array): Float32Array;
  probabilities(row: Float32Array): Float32Array;
}

/** A probability that a quantized model rounds to zero is not minus infinity. */
const SMALLEST = 1e-12;

const logarithm = (value: number): number => Math.log(Math.max(value, SMALLEST));

/** Logits whose softmax, or for independent outputs whose sigmoid, gives the answer back. */
export const OUTPUTS: Readonly<Record<Activation, OutputForm>> = {
  none: { logits: (row) => row, probabilities: (row) => Float32Array.from(softmax(row)) },
  Softmax: { logits: (row) => row.map(logarithm), probabilities: (row) => row },
  LogSoftmax: { logits: (row) => row, probabilities: (row) => row.map(Math.exp) },
  Sigmoid: { logits: (row) => row.map((p) => logarithm(p) - logarithm(1 - p)), probabilities: (row) => row },
};
