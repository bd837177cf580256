import * as z from "zod";
import { sumOver } from "../gradients/rule.ts";
import { isWeighted, type Layer } from "../integer/layers.ts";
import { attribute } from "../onnx/attributes.ts";
import type { Dim, ValueName } from "../onnx/graph.ts";
import { elementCount, int64, type Tensor } from "../onnx/tensor.ts";
import { gaussian, seededBy } from "../random/gaussian.ts";
import type { ChangeContext, LayerGradients, LayerMethod } from "./method.ts";
import { countSetting } from "./settings.ts";

const settings = z.strictObject({
  rank: countSetting(4),
  /** A frozen random projection down needs no gradient of its own, and adapters with it average exactly. */
  down: z.enum(["frozen", "trained"]).default("frozen"),
});

/**
 * A low-rank update of convolutions and products: ΔW = up · down. The way down has the layer's own kernel and only `rank` channels,
 * the way up is a matrix; up starts at zero.
 */
export const lora: LayerMethod = {
  kind: "layer",
  name: "lora",
  aliases: ["conv-lora", "low-rank", "lora-fa"],
  source:
    "Hu et al. 2021, LoRA, arXiv:2106.09685; Zhang et al. 2023, LoRA-FA (frozen down-projection), arXiv:2308.03303; Zhong et al. 2024, Conv-LoRA, arXiv:2401.17868",
  settings,
  averages: ({ down }) => down === "frozen",
  // A grouped kernel is small already: nothing is saved by a product of two.
  targets: (layers) => layers.filter((layer) => isWeighted(layer) && attribute(layer.node, "group", "int", 1) === 1),
  parameters(layer, { rank, down }) {
    const dims = [layer.outChannels, rank as number];
    return [
      { name: "up", dims, changes: "weight" },
      ...(down === "trained"
        ? [
            {
              name: "down",
              dims: downDims(layer, rank as number),
              changes: "weight" as const,
              start: () => projection(layer, rank as number),
            },
          ]
        : []),
    ];
  },
  change(context) {
    const { b, layer, theta } = context;
    const up = theta("up");
    if (!up) return {};
    const { dims } = layer.weight!;
    if (layer.weightAxis === 1) {
      // W: [K, O], down: [K, r]
      return { weight: b.add("MatMul", [downOf(context), b.add("Transpose", [up], { perm: [1, 0] })]) };
    }
    const rows = b.add("Reshape", [downOf(context), b.constant("shape", int64([0, -1]))]);
    return { weight: b.add("Reshape", [b.add("MatMul", [up, rows]), b.constant("shape", int64(dims))]) };
  },
  gradients(context, gradients) {
    return {
      up: () => upGradient(context, gradients),
      down: () =>
        gradients.weightOf(downDims(context.layer, context.settings.rank as number), downDy(context, gradients)),
    };
  },
};

/** The layer's kernel with `rank` output channels. */
const downDims = (layer: Layer, rank: number): number[] => layer.weight!.dims.with(layer.weightAxis, rank);

/** Gaussian, so scaled that a product with it keeps the size of what goes in. The same for the same layer and rank, everywhere. */
function projection(layer: Layer, rank: number): Tensor {
  const dims = downDims(layer, rank);
  const fanIn = elementCount(dims) / rank;
  return gaussian(dims, 1 / Math.sqrt(fanIn), seededBy(`${layer.name}/${rank}`));
}

const downOf = ({ b, layer, settings: { rank }, theta }: ChangeContext): ValueName =>
  theta("down") ?? b.constant("down", projection(layer, rank as number));

/** dUp[o, r] = Σ dy[n, o, p] · u[n, r, p], with u the layer's input projected down: the big weight's gradient is never made. */
function upGradient(context: ChangeContext, { dy, outputShape, outputOf }: LayerGradients): ValueName {
  const { b, layer, settings: given } = context;
  const rank = given.rank as number;
  const u = outputOf(downOf(context));
  if (!channelsFirst(layer, outputShape)) {
    const rows = (value: ValueName, width: number) =>
      b.add("Reshape", [value, b.constant("shape", int64([-1, width]))]);
    return b.add("Gemm", [rows(dy, layer.outChannels), rows(u, rank)], { transA: 1 });
  }
  const places = (value: ValueName) => b.add("Reshape", [value, b.constant("shape", int64([0, 0, -1]))]);
  const perSample = b.add("MatMul", [places(dy), b.add("Transpose", [places(u)], { perm: [0, 2, 1] })]);
  return sumOver(b, perSample, [0], 0);
}

/** Gradient at the projected input: du = upᵀ · dy. */
function downDy({ b, layer, theta }: ChangeContext, { dy, outputShape }: LayerGradients): ValueName {
  const up = theta("up")!;
  if (!channelsFirst(layer, outputShape)) return b.add("MatMul", [dy, up]);
  const columns = b.add("Reshape", [dy, b.constant("shape", int64([0, 0, -1]))]);
  const projected = b.add("MatMul", [b.add("Transpose", [up], { perm: [1, 0] }), columns]);
  return b.add("Reshape", [projected, b.constant("shape", int64([0, -1, ...(outputShape.slice(2) as number[])]))]);
}

/** [N, O, …places], as against [N, …, O]. */
const channelsFirst = (layer: Layer, shape: readonly Dim[]): boolean => layer.outputAxis === 1 && shape.length > 2;
