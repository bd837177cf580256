import type { Layer } from "../integer/layers.ts";
import type { LayerMethod, LayerParameter } from "./method.ts";

/** Weight and bias of a layer, free to go anywhere: the part that `head`, `layerwise` and `full` share. */
export const wholeLayer: Pick<LayerMethod, "kind" | "averages" | "change" | "gradients"> = {
  kind: "layer",
  averages: () => true,
  change: ({ theta }) => ({ weight: theta("weight"), bias: theta("bias") }),
  gradients: (_, { weight, bias }) => ({ weight: () => weight(), bias: () => bias() }),
};

/** Weights at the pace of their own size: of one network some may be a hundred times larger than others. */
export const wholeLayerParameters = ({ weight, bias, pace }: Layer, rate = 1): LayerParameter[] => [
  ...(weight ? [{ name: "weight", dims: weight.dims, changes: "weight" as const, rate: rate * pace }] : []),
  ...(bias ? [{ name: "bias", dims: bias.dims, changes: "bias" as const, rate }] : []),
];
