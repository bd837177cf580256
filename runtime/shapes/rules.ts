import { ELEMENTWISE } from "./elementwise.ts";
import { GENERATION } from "./generation.ts";
import { LAYOUT } from "./layout.ts";
import { LINEAR } from "./linear.ts";
import { NORMALIZATION } from "./normalization.ts";
import { PARTS } from "./parts.ts";
import { POOLING } from "./pooling.ts";
import { QUANTIZATION } from "./quantization.ts";
import { RECURRENT } from "./recurrent.ts";
import { REDUCTION } from "./reduction.ts";
import { RESIZE } from "./resize.ts";
import type { ShapeRule } from "./rule.ts";
import { SELECTION } from "./selection.ts";

export { broadcastShapes, type ShapeContext, type ShapeRule, type ValueType } from "./rule.ts";

/** From operator to shape rule, by family; no operator is in two (a test looks). */
export const FAMILIES = {
  ELEMENTWISE,
  GENERATION,
  LAYOUT,
  LINEAR,
  NORMALIZATION,
  PARTS,
  POOLING,
  QUANTIZATION,
  RECURRENT,
  REDUCTION,
  RESIZE,
  SELECTION,
} satisfies Record<string, Readonly<Record<string, ShapeRule>>>;

export const SHAPES: Readonly<Record<string, ShapeRule>> = Object.assign({}, ...Object.values(FAMILIES));
