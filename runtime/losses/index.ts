import { bce } from "./bce.ts";
import { crossEntropy } from "./cross-entropy.ts";
import { distillation } from "./distillation.ts";
import { entropy } from "./entropy.ts";
import type { LossDefinition } from "./loss.ts";
import { reconstruction } from "./reconstruction.ts";

/** Losses as graph fragments, with their gradients written out. */
export const LOSSES = {
  "cross-entropy": crossEntropy,
  bce,
  reconstruction,
  entropy,
  distillation,
} as const satisfies Record<string, LossDefinition>;

export type LossName = keyof typeof LOSSES;

export { combine } from "./combine.ts";
export type { Loss, LossDefinition, LossInputs, LossNeeds, LossOptions } from "./loss.ts";
export { overRows } from "./rows.ts";
