import { asColumn, type LossDefinition, noneCorrect, number, overBatch } from "./loss.ts";

/**
 * Mean squared error of a sample's outputs, of whatever shape: Σ share · Σ (x − t)² / outputs.
 * Gradient: share · 2·(x − t) / outputs.
 */
export const reconstruction: LossDefinition = {
  needs: "targets",
  source: "Hinton & Salakhutdinov 2006, doi:10.1126/science.1127647",
  build(b, { logits, classes, shares, targets }) {
    // [B, outputs], so that a share can be multiplied with all of a sample
    const difference = b.add("Flatten", [b.add("Sub", [logits, targets!])], { axis: 1 });
    const share = b.add("Div", [asColumn(b, shares), number(b, classes)]);
    const slopes = b.add("Mul", [b.add("Mul", [share, number(b, 2)]), difference]);
    return {
      loss: overBatch(b, share, b.add("Mul", [difference, difference])),
      gradient: b.add("Reshape", [slopes, b.add("Shape", [logits])]),
      correct: noneCorrect(b),
    };
  },
};
