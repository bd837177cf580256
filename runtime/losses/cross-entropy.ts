import type { GraphBuilder } from "../onnx/builder.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import type { ValueName } from "../onnx/graph.ts";
import { float32, tensor } from "../onnx/tensor.ts";
import { asColumn, type LossDefinition, number, overBatch, sumOfRow } from "./loss.ts";

/**
 * Softmax cross-entropy: −Σ share · Σ w·t·log p, with t = (1−ε)·onehot + ε/classes. As in PyTorch's CrossEntropyLoss, class
 * weights move weight between the samples of a batch and leave its sum alone.
 * Gradient: share · (p·Σ w·t − w·t).
 * @see Szegedy et al. 2016, arXiv:1512.00567, §7
 */
export const crossEntropy: LossDefinition = {
  needs: "labels",
  source: "Szegedy et al. 2016, arXiv:1512.00567",
  build(b, { logits, classes, shares, labels, options = {} }) {
    const { labelSmoothing = 0, classWeights } = options;
    const weights = classWeights && b.constant("class_weights", float32([classes], classWeights));
    const plain = smoothed(b, labels!, classes, labelSmoothing);
    const target = weights ? b.add("Mul", [plain, weights]) : plain;
    const share = asColumn(b, weights ? rebalanced(b, shares, b.add("Gather", [weights, labels!])) : shares);

    const logP = b.add("LogSoftmax", [logits], { axis: -1 });
    const p = b.add("Exp", [logP]);
    const pull = weights ? b.add("Mul", [p, sumOfRow(b, target)]) : p;
    return {
      loss: b.add("Neg", [overBatch(b, share, b.add("Mul", [target, logP]))]),
      gradient: b.add("Mul", [share, b.add("Sub", [pull, target])]),
      correct: countCorrect(b, logits, labels!, shares),
    };
  },
};

function smoothed(b: GraphBuilder, labels: ValueName, classes: number, smoothing: number): ValueName {
  const off = smoothing / classes;
  const depth = b.constant("classes", tensor("int64", [], BigInt64Array.of(BigInt(classes))));
  return b.add("OneHot", [labels, depth, b.constant("levels", float32([2], [off, 1 - smoothing + off]))]);
}

/** Shares that, times the weights, have the sum they had without. @param weights [B] */
function rebalanced(b: GraphBuilder, shares: ValueName, weights: ValueName): ValueName {
  const sum = (values: ValueName) => b.add("ReduceSum", [values], { keepdims: 0 });
  // A batch may hold no sample of this loss.
  const weight = b.add("Max", [sum(b.add("Mul", [shares, weights])), number(b, 1e-30)]);
  return b.add("Mul", [shares, b.add("Div", [sum(shares), weight])]);
}

function countCorrect(b: GraphBuilder, logits: ValueName, labels: ValueName, shares: ValueName): ValueName {
  const best = b.add("ArgMax", [logits], { axis: -1, keepdims: 0 });
  const counts = b.add("Greater", [shares, number(b, 0)]);
  const right = b.add("And", [b.add("Equal", [best, labels]), counts]);
  return b.add("ReduceSum", [b.add("Cast", [right], { to: ELEMENT_CODES.int64 })], { keepdims: 0 });
}
