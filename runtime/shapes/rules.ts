import { ELEMENTWISE } from "./elementwise.ts";
import { LAYOUT } from "./layout.ts";
import { LINEAR } from "./linear.ts";
import { POOLING } from "./pooling.ts";
import { QUANTIZATION } from "./quantization.ts";
import type { ShapeRule } from "./rule.ts";

export { broadcastShapes, type ShapeContext, type ShapeRule, type ValueType } from "./rule.ts";

/** From operator to shape rule, by family; no operator is in two (a test looks). */
export const FAMILIES = { ELEMENTWISE, LAYOUT, LINEAR, POOLING, QUANTIZATION } satisfies Record<
  string,
  Readonly<Record<string, ShapeRule>>
>;

export const SHAPES: Readonly<Record<string, ShapeRule>> = Object.assign({}, ...Object.values(FAMILIES));
