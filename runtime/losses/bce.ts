import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { float32 } from "../onnx/tensor.ts";
import { asColumn, type LossDefinition, noneCorrect, number, overBatch } from "./loss.ts";

/**
 * Binary cross-entropy of each class for itself, for samples with several labels or none; the mean over the classes of
 * w·((1−t)·softplus(x) + a·t·softplus(−x)), with a the positive weight, as PyTorch's BCEWithLogitsLoss.
 * Gradient: w·((1−t)·σ(x) − a·t·σ(−x)).
 */
export const bce: LossDefinition = {
  needs: "targets",
  source: "Bishop 2006, Pattern Recognition and Machine Learning, eq. 4.90",
  build(b, { logits, classes, shares, targets, options = {} }) {
    const { classWeights = ones(classes), positiveWeights } = options;
    const weights = float32(
      [classes],
      classWeights.map((weight) => weight / classes),
    );
    const share = b.add("Mul", [asColumn(b, shares), b.constant("class_weights", weights)]);
    const unwanted = b.add("Sub", [number(b, 1), targets!]);
    const wanted = positiveWeights
      ? b.add("Mul", [targets!, b.constant("positive_weights", float32([classes], positiveWeights))])
      : targets!;
    const opposite = b.add("Neg", [logits]);
    const tail = softplusTail(b, logits);
    const softplus = (value: ValueName) => b.add("Add", [b.add("Relu", [value]), tail]);
    const both = (op: "Add" | "Sub", high: ValueName, low: ValueName) =>
      b.add(op, [b.add("Mul", [unwanted, high]), b.add("Mul", [wanted, low])]);
    return {
      loss: overBatch(b, share, both("Add", softplus(logits), softplus(opposite))),
      gradient: b.add("Mul", [share, both("Sub", b.add("Sigmoid", [logits]), b.add("Sigmoid", [opposite]))]),
      correct: noneCorrect(b),
    };
  },
};

/** log(1 + e^−|x|): softplus(±x) without max(±x, 0), which is what would overflow. */
const softplusTail = (b: GraphBuilder, x: ValueName): ValueName =>
  b.add("Log", [b.add("Add", [number(b, 1), b.add("Exp", [b.add("Neg", [b.add("Abs", [x])])])])]);

const ones = (count: number): number[] => Array.from({ length: count }, () => 1);
