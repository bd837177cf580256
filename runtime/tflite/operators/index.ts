import type { Rule } from "../lowering.ts";
import { ACTIVATION_RULES } from "./activations.ts";
import { CONVOLUTION_RULES } from "./convolution.ts";
import { ELEMENTWISE_RULES } from "./elementwise.ts";
import { LAYOUT_RULES } from "./layout.ts";
import { LINEAR_RULES } from "./linear.ts";
import { PADDING_RULES } from "./padding.ts";
import { POOLING_RULES } from "./pooling.ts";
import { QUANTIZATION_RULES } from "./quantization.ts";
import { REDUCTION_RULES } from "./reduction.ts";
import { RESIZE_RULES } from "./resize.ts";
import { SELECTION_RULES } from "./selection.ts";
import { SPECTRUM_RULES } from "./spectrum.ts";

/** From the schema's name of an operator to what it becomes, by family; no operator is in two (a test looks). */
export const FAMILIES = {
  ACTIVATION_RULES,
  CONVOLUTION_RULES,
  ELEMENTWISE_RULES,
  LAYOUT_RULES,
  LINEAR_RULES,
  PADDING_RULES,
  POOLING_RULES,
  QUANTIZATION_RULES,
  REDUCTION_RULES,
  RESIZE_RULES,
  SELECTION_RULES,
  SPECTRUM_RULES,
} satisfies Record<string, Readonly<Record<string, Rule>>>;

export const OPERATORS: Readonly<Record<string, Rule>> = Object.assign({}, ...Object.values(FAMILIES));
