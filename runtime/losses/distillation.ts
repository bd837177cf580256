import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { int64 } from "../onnx/tensor.ts";
import { asColumn, type LossDefinition, noneCorrect, number, overBatch } from "./loss.ts";

const TEMPERATURE = 2;

/**
 * What the base said of a sample, kept: T² · Σ share · KL(q ‖ p), with q and p the softmax of the teacher's and of the own logits
 * divided by T. Classes that the head has gained since have no part in it. Gradient: share · T·(p − q), 0 for the new classes.
 * @see Hinton et al. 2015, arXiv:1503.02531, §2; Li & Hoiem 2016, «Learning without Forgetting», arXiv:1606.09282
 */
export const distillation: LossDefinition = {
  needs: "teacher",
  source: "Hinton et al. 2015, arXiv:1503.02531; Li & Hoiem 2016, arXiv:1606.09282",
  build(b, { logits, classes, shares, teacher, teacherClasses = classes, options = {} }) {
    const { temperature = TEMPERATURE } = options;
    const grown = classes - teacherClasses;
    const soften = (value: ValueName) =>
      b.add("LogSoftmax", [b.add("Div", [value, number(b, temperature)])], { axis: -1 });
    const logQ = soften(teacher!);
    const logP = soften(grown > 0 ? firstColumns(b, logits, teacherClasses) : logits);
    const q = b.add("Exp", [logQ]);
    const share = asColumn(b, shares);
    const divergence = b.add("Mul", [q, b.add("Sub", [logQ, logP])]);
    const slopes = b.add("Mul", [
      b.add("Mul", [share, number(b, temperature)]),
      b.add("Sub", [b.add("Exp", [logP]), q]),
    ]);
    return {
      loss: b.add("Mul", [overBatch(b, share, divergence), number(b, temperature ** 2)]),
      gradient: grown > 0 ? b.add("Pad", [slopes, b.constant("pads", int64([0, 0, 0, grown]))]) : slopes,
      correct: noneCorrect(b),
    };
  },
};

const firstColumns = (b: GraphBuilder, value: ValueName, count: number): ValueName =>
  b.add("Slice", [value, ...[0, count, 1].map((at) => b.constant("columns", int64([at])))]);
