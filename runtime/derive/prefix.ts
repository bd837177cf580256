import { asModel } from "../onnx/builder.ts";
import type { Model, ValueName } from "../onnx/graph.ts";
import { cut } from "../passes/cut.ts";
import type { Plan } from "../plan/plan.ts";

/**
 * prefix.onnx: from the model's input (or from another value of it) to the frontier.
 * It stays in QDQ form, since nothing in it is trained and ONNX Runtime fuses it as in the base itself.
 * @returns null when there is nothing to compute: the frontier is where the samples already are.
 */
export function derivePrefix(plan: Plan, from: ValueName = plan.base.input.name): Model | null {
  if (plan.frontier.length === 1 && plan.frontier[0] === from) return null;
  return asModel(cut(plan.base.graph, plan.base.types, [from], plan.frontier), {
    "lichen.graph": "prefix",
    "lichen.method": plan.method,
  });
}
