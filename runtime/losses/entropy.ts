import type { GraphBuilder } from "../onnx/builder.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import type { ValueName } from "../onnx/graph.ts";
import { int64 } from "../onnx/tensor.ts";
import { asColumn, type LossDefinition, noneCorrect, number, overBatch, sumOfRow } from "./loss.ts";

/**
 * Entropy of the predictions, which needs no labels: Σ share · H, with H = −Σ p·log p. It falls when the model grows sure, of
 * the right or of the wrong; two options keep it from the wrong, and whoever uses it keeps the gate's watch over collapse.
 *
 * `margin`: samples of more than this share of the largest entropy have no part, and the surer ones count more, by
 * w = exp(margin · log C − H), which takes no gradient.
 * `diversity`: so much of log C + Σ p̄·log p̄ is added, with p̄ the mean prediction of the batch: answers are to stay varied.
 *
 * Gradient: −share · w · p·(log p + H), and of the diversity share · p·(log p̄ − Σ p·log p̄).
 * @see Wang et al. 2021, «Tent», arXiv:2006.10726; Niu et al. 2022, «EATA», arXiv:2204.02610, eq. 4; Liang et al. 2020, «SHOT»,
 * arXiv:2002.08546, eq. 3
 */
export const entropy: LossDefinition = {
  needs: "nothing",
  source: "Wang et al. 2021, arXiv:2006.10726",
  build(b, { logits, shares, classes, options: { margin, diversity } = {} }) {
    const logP = b.add("LogSoftmax", [logits], { axis: -1 });
    const p = b.add("Exp", [logP]);
    // Σ p·log p of each row: [B, 1], −H
    const negative = sumOfRow(b, b.add("Mul", [p, logP]));
    const all = asColumn(b, shares);
    const share = margin ? b.add("Mul", [all, reliability(b, negative, margin * Math.log(classes))]) : all;
    const slopes = b.add("Mul", [p, b.add("Sub", [negative, logP])]);
    const sure = {
      loss: b.add("Neg", [overBatch(b, share, negative)]),
      gradient: b.add("Mul", [share, slopes]),
    };
    if (!diversity) return { ...sure, correct: noneCorrect(b) };
    const varied = sameness(b, p, all, Math.log(classes));
    const weighted = (value: ValueName) => b.add("Mul", [value, number(b, diversity)]);
    return {
      loss: b.add("Add", [sure.loss, weighted(varied.loss)]),
      gradient: b.add("Add", [sure.gradient, weighted(varied.gradient)]),
      correct: noneCorrect(b),
    };
  },
};

/** 0 for a sample whose entropy is above the limit, and the more the further below it is. @param negative −H, [B, 1] */
function reliability(b: GraphBuilder, negative: ValueName, limit: number): ValueName {
  const room = b.add("Add", [negative, number(b, limit)]);
  const within = b.add("Cast", [b.add("Greater", [room, number(b, 0)])], { to: ELEMENT_CODES.float32 });
  return b.add("Mul", [within, b.add("Exp", [room])]);
}

/** log C + Σ p̄·log p̄ of the batch, times its shares, which need not add up to 1. @param p [B, C] @param share [B, 1] */
function sameness(
  b: GraphBuilder,
  p: ValueName,
  share: ValueName,
  largest: number,
): { loss: ValueName; gradient: ValueName } {
  const ofBatch = (value: ValueName) => b.add("ReduceSum", [value, b.constant("axes", int64([0]))]);
  const total = b.add("Max", [ofBatch(share), number(b, 1e-12)]);
  const mean = b.add("Div", [ofBatch(b.add("Mul", [share, p])), total]);
  const logMean = b.add("Log", [b.add("Max", [mean, number(b, 1e-12)])]);
  const expected = sumOfRow(b, b.add("Mul", [p, logMean]));
  return {
    loss: b.add(
      "ReduceSum",
      [b.add("Mul", [total, b.add("Mul", [mean, b.add("Add", [logMean, number(b, largest)])])])],
      {
        keepdims: 0,
      },
    ),
    gradient: b.add("Mul", [share, b.add("Mul", [p, b.add("Sub", [logMean, expected])])]),
  };
}
