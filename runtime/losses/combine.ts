import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { type Loss, number } from "./loss.ts";

/**
 * A weighted sum of losses over the same logits. Each has been built with shares of its own, so that, say, labelled samples have a
 * part in cross-entropy, the rehearsal pack in distillation, and the others in entropy, all in one batch.
 */
export function combine(b: GraphBuilder, parts: readonly { loss: Loss; weight: number }[]): Loss {
  const total = (key: "loss" | "gradient") =>
    sum(
      b,
      parts.map(({ loss, weight }) => (weight === 1 ? loss[key] : b.add("Mul", [loss[key], number(b, weight)]))),
    );
  return {
    loss: total("loss"),
    gradient: total("gradient"),
    correct: sum(
      b,
      parts.map(({ loss }) => loss.correct),
    ),
  };
}

const sum = (b: GraphBuilder, values: readonly ValueName[]): ValueName =>
  values.reduce((left, right) => b.add("Add", [left, right]));
