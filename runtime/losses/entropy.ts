import { asColumn, type LossDefinition, noneCorrect, overBatch, sumOfRow } from "./loss.ts";

/**
 * Entropy of the predictions, which needs no labels: Σ share · H, with H = −Σ p·log p. It falls when the model grows sure, of
 * the right or of the wrong: whoever uses it keeps the gate's watch over collapse.
 * Gradient: −share · p·(log p + H).
 * @see Wang et al. 2021, «Tent», arXiv:2006.10726
 */
export const entropy: LossDefinition = {
  needs: "nothing",
  source: "Wang et al. 2021, arXiv:2006.10726",
  build(b, { logits, shares }) {
    const logP = b.add("LogSoftmax", [logits], { axis: -1 });
    const p = b.add("Exp", [logP]);
    // Σ p·log p of each row: [B, 1], −H
    const negative = sumOfRow(b, b.add("Mul", [p, logP]));
    const share = asColumn(b, shares);
    const slopes = b.add("Mul", [p, b.add("Sub", [negative, logP])]);
    return {
      loss: b.add("Neg", [overBatch(b, share, negative)]),
      gradient: b.add("Mul", [share, slopes]),
      correct: noneCorrect(b),
    };
  },
};
