import { attribute } from "../onnx/attributes.ts";
import type { ValueType } from "./rule.ts";
import { operand, type ShapeContext, type ShapeRule } from "./rule.ts";

export const RECURRENT = {
  /** Y, Y_h, Y_c */
  LSTM: (context) => {
    const { all, last } = states(context);
    return [all, last, last];
  },
  /** Y, Y_h */
  GRU: (context) => {
    const { all, last } = states(context);
    return [all, last];
  },
} satisfies Record<string, ShapeRule>;

/**
 * The state after each step and the last one. X: [T, N, …] → [T, directions, N, hidden] and [directions, N, hidden];
 * of layout 1 X: [N, T, …] → [N, T, directions, hidden] and [N, directions, hidden]. @see ONNX LSTM-14
 */
function states(context: ShapeContext): { all: ValueType; last: ValueType } {
  const { node } = context;
  const { type, shape } = operand(context, 0);
  const batchFirst = attribute(node, "layout", "int", 0) === 1;
  const [steps, batch] = batchFirst ? [shape[1]!, shape[0]!] : [shape[0]!, shape[1]!];
  const directions = attribute(node, "direction", "string", "forward") === "bidirectional" ? 2 : 1;
  const hidden = attribute(node, "hidden_size", "int");
  return batchFirst
    ? { all: { type, shape: [batch, steps, directions, hidden] }, last: { type, shape: [batch, directions, hidden] } }
    : { all: { type, shape: [steps, directions, batch, hidden] }, last: { type, shape: [directions, batch, hidden] } };
}
