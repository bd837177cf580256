import type { GraphBuilder } from "../onnx/builder.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import type { ValueName } from "../onnx/graph.ts";
import { float32, int64, tensor } from "../onnx/tensor.ts";

export interface LossInputs {
  /** [B, classes], float32 */
  logits: ValueName;
  /** [B], int64 */
  labels: ValueName;
  /** [B], float32: each sample's share of the batch, adding up to 1 */
  shares: ValueName;
  classes: number;
}

export interface Loss {
  /** [], float32 */
  loss: ValueName;
  /** [], int64: how many were classified right */
  correct: ValueName;
  /** Gradient with respect to the logits, [B, classes]. */
  gradient: ValueName;
}

/**
 * Softmax cross-entropy with label smoothing: −Σ share · Σ t·log p, with t = (1−ε)·onehot + ε/classes.
 * @see Szegedy et al. 2016, arXiv:1512.00567, §7
 */
export function crossEntropy(b: GraphBuilder, inputs: LossInputs, smoothing: number): Loss {
  const { logits, labels, shares, classes } = inputs;
  const off = smoothing / classes;
  const depth = b.constant("classes", tensor("int64", [], BigInt64Array.of(BigInt(classes))));
  const target = b.add("OneHot", [labels, depth, b.constant("levels", float32([2], [off, 1 - smoothing + off]))]);
  const logP = b.add("LogSoftmax", [logits], { axis: -1 });
  const share = b.add("Unsqueeze", [shares, b.constant("axes", int64([1]))]);
  const agreement = b.add("Mul", [share, b.add("Mul", [target, logP])]);
  const best = b.add("ArgMax", [logits], { axis: -1, keepdims: 0 });
  const right = b.add("Cast", [b.add("Equal", [best, labels])], { to: ELEMENT_CODES.int64 });
  return {
    loss: b.add("Neg", [b.add("ReduceSum", [agreement], { keepdims: 0 })]),
    correct: b.add("ReduceSum", [right], { keepdims: 0 }),
    gradient: b.add("Mul", [share, b.add("Sub", [b.add("Exp", [logP]), target])]),
  };
}
