import { backward } from "../gradients/backward.ts";
import { sumOver } from "../gradients/rule.ts";
import { isWeighted } from "../integer/layers.ts";
import { LOSSES, overRows } from "../losses/index.ts";
import { weightsOf } from "../methods/single-weights.ts";
import { asModel, GraphBuilder } from "../onnx/builder.ts";
import type { Model, ValueName } from "../onnx/graph.ts";
import { elementCount, scalar } from "../onnx/tensor.ts";
import { foldConstants } from "../passes/fold-constants.ts";
import { prune } from "../passes/prune.ts";
import type { Target } from "../plan/parts.ts";
import type { Plan } from "../plan/plan.ts";
import { EPOCH, type LossTerm, sideInputs } from "./epoch.ts";
import { addForward } from "./forward.ts";
import { layerGradients, realOutput } from "./layer-gradients.ts";

/** Names of what goes into and comes out of importance.onnx; frontier values and what the losses compare with have their own. */
export const IMPORTANCE = {
  /** float32 [B]: 1 for a sample that counts, 0 for one that only fills the batch up. */
  counts: "counts",
  /** float32 [O] of a layer, or as many as its weight has: Σ over the samples of the batch. */
  of: (layer: string) => `importance:${layer}`,
} as const;

/**
 * importance.onnx: (frontier activations, labels) → how much each output channel of the plan's layers matters to the loss, as the base
 * is: the Fisher information of a factor on the channel, ½ Σ_n (Σ_p a·∂L_n/∂a)², which is also what removing the channel would cost.
 * One pass forward and back, each sample with its own gradient. What the plan would train has no part in it.
 * @see Theis et al. 2018, arXiv:1801.05787, eq. 5; Kwon et al. 2024, TinyTrain, arXiv:2307.09988, eq. 1
 */
export async function deriveImportance(plan: Plan, terms: readonly LossTerm[]): Promise<Model> {
  const { base } = plan;
  const b = new GraphBuilder({ source: base.graph });
  for (const name of plan.frontier) {
    const { type, shape } = base.types.get(name)!;
    b.input(name, type, ["batch", ...shape.slice(1)]);
  }
  for (const { name, type, shape } of sideInputs(plan, terms)) b.input(name, type, ["batch", ...shape.slice(1)]);
  b.input(IMPORTANCE.counts, "float32", ["batch"]);

  const forward = addForward(b, { ...plan, targets: [], modules: [] });
  const targets = measurable(plan);
  const type = (name: ValueName) => base.types.get(name)!;
  const found = backward(b, {
    nodes: forward.nodes,
    type,
    seeds: new Map([[base.logits.name, lossGradient(b, plan, terms)]]),
    wanted: targets.map(({ layer }) => layer.node.outputs[0]!),
  });
  for (const { layer, parts } of targets) {
    const { shape } = base.types.get(layer.node.outputs[0]!)!;
    const channelAxis = layer.outputAxis < 0 ? shape.length + layer.outputAxis : layer.outputAxis;
    const places = [...shape.keys()].filter((axis) => axis !== 0 && axis !== channelAxis);
    const dy = found.get(layer.node.outputs[0]!)!;
    const product = b.add("Mul", [realOutput(b, layer), dy]);
    const perSample = places.length > 0 ? sumOver(b, product, places, 0) : product;
    b.alias(IMPORTANCE.of(layer.name), sumOver(b, b.add("Mul", [perSample, perSample]), [0], 0));
    b.output(IMPORTANCE.of(layer.name));
    if (!wantsWeights(parts)) continue;
    const gradient = layerGradients(b, { layer, change: {} }, dy, type).weight();
    b.alias(IMPORTANCE.of(weightsOf(layer.name)), b.add("Mul", [gradient, gradient]));
    b.output(IMPORTANCE.of(weightsOf(layer.name)));
  }
  return asModel(await foldConstants(prune(b.build("importance"))), { "lichen.graph": "importance" });
}

/** The layers of the plan that have channels to tell apart. */
const measurable = ({ targets }: Plan): Target[] => targets.filter(({ layer }) => isWeighted(layer));

/** A method that chooses single weights asks for them. @see Sung et al. 2021, arXiv:2111.09839, eq. 4 */
const wantsWeights = (parts: Target["parts"]): boolean =>
  parts.some(({ method, settings }) => method.unit?.(settings) === "weight");

/** What is measured, and of how many. A weight's number is right for one sample at a time: gradients of a batch are sums. */
export const measuredSizes = (plan: Plan): { name: string; size: number; of: "channel" | "weight" }[] =>
  measurable(plan).flatMap(({ layer: { name, outChannels, weight }, parts }) => [
    { name, size: outChannels, of: "channel" as const },
    ...(wantsWeights(parts)
      ? [{ name: weightsOf(name), size: elementCount(weight!.dims), of: "weight" as const }]
      : []),
  ]);

/** Of each sample's own loss, not divided by the batch. */
function lossGradient(b: GraphBuilder, { base }: Plan, terms: readonly LossTerm[]): ValueName {
  const gradients = terms.map(({ loss, weight, partial, teacherClasses, options }) => {
    const { needs, build } = LOSSES[loss];
    const counts = IMPORTANCE.counts;
    const { gradient } = overRows(b, base.logits, (logits) =>
      build(b, {
        logits,
        classes: base.classes,
        shares: partial ? b.add("Mul", [counts, EPOCH.part(loss)]) : counts,
        ...(needs !== "nothing" && { [needs]: EPOCH[needs] }),
        ...(teacherClasses !== undefined && { teacherClasses }),
        ...(options && { options }),
      }),
    );
    return weight === 1 ? gradient : b.add("Mul", [gradient, b.constant("weight", scalar("float32", weight))]);
  });
  return gradients.reduce((sum, gradient) => b.add("Add", [sum, gradient]));
}
