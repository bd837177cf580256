import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { int64, scalar, tensor } from "../onnx/tensor.ts";

/** What a loss compares the outputs with: class numbers, wanted outputs, the outputs of a teacher, or nothing. */
export type LossNeeds = "labels" | "targets" | "teacher" | "nothing";

export interface LossOptions {
  /** Cross-entropy: the share of each label that is spread over all classes, 0 to below 1. */
  labelSmoothing?: number;
  /** Cross-entropy and BCE: one a class. */
  classWeights?: readonly number[];
  /** BCE: how much more a wanted class counts than an unwanted one; one a class. */
  positiveWeights?: readonly number[];
  /** Entropy: the share of the largest entropy above which samples have no part; the surer of the others count more. */
  margin?: number;
  /** Entropy: how much the variety of a batch's answers counts. */
  diversity?: number;
  /** Distillation: logits are divided by it. */
  temperature?: number;
}

export interface LossInputs {
  /** [B, classes], float32; for reconstruction any [B, …] */
  logits: ValueName;
  /** Outputs of one sample. */
  classes: number;
  /** [B], float32: each sample's share of the batch; they add up to 1, or to less where samples have no part in this loss. */
  shares: ValueName;
  /** [B], int64 */
  labels?: ValueName;
  /** Like the logits, float32. */
  targets?: ValueName;
  /** [B, teacherClasses], float32 logits */
  teacher?: ValueName;
  /** Fewer than `classes` where the head has grown since; the same when absent. */
  teacherClasses?: number;
  options?: LossOptions;
}

/** Values in the graph. */
export interface Loss {
  /** [], float32 */
  loss: ValueName;
  /** Gradient with respect to the logits, of their shape. */
  gradient: ValueName;
  /** [], int64: how many samples with a share were classified right; 0 where that has no meaning */
  correct: ValueName;
}

export interface LossDefinition {
  needs: LossNeeds;
  source: string;
  build(b: GraphBuilder, inputs: LossInputs): Loss;
}

export const number = (b: GraphBuilder, value: number): ValueName => b.constant("constant", scalar("float32", value));

/** Σ share · value over a batch. @param values [B] or [B, 1], as the shares given */
export const overBatch = (b: GraphBuilder, shares: ValueName, values: ValueName): ValueName =>
  b.add("ReduceSum", [b.add("Mul", [shares, values])], { keepdims: 0 });

/** Sums of rows. @param value [B, C] @returns [B, 1] */
export const sumOfRow = (b: GraphBuilder, value: ValueName): ValueName =>
  b.add("ReduceSum", [value, b.constant("axes", int64([1]))]);

/** @param vector [B] @returns [B, 1], to be multiplied with [B, C] */
export const asColumn = (b: GraphBuilder, vector: ValueName): ValueName =>
  b.add("Unsqueeze", [vector, b.constant("axes", int64([1]))]);

/** The `correct` of a loss that does not classify. */
export const noneCorrect = (b: GraphBuilder): ValueName =>
  b.constant("none_correct", tensor("int64", [], BigInt64Array.of(0n)));
