import { asModel, GraphBuilder } from "../onnx/builder.ts";
import type { Model } from "../onnx/graph.ts";
import { foldConstants } from "../passes/fold-constants.ts";
import { prune } from "../passes/prune.ts";
import type { Plan } from "../plan/plan.ts";
import { addForward } from "./forward.ts";

/** eval.onnx: (frontier activations [N, …], parameters) → logits [N, classes], to the bit what the deployed model answers. */
export async function deriveEvaluation(plan: Plan): Promise<Model> {
  const { graph, types, logits } = plan.base;
  const b = new GraphBuilder({ source: graph });
  for (const name of plan.frontier) {
    const { type, shape } = types.get(name)!;
    b.input(name, type, shape);
  }
  for (const { name, dims } of plan.parameters) b.input(name, "float32", dims);
  addForward(b, plan);
  b.output(logits.name, logits);
  return asModel(await foldConstants(prune(b.build("eval"))), { "lichen.graph": "eval", "lichen.method": plan.method });
}
