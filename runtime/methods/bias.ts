import type { LayerMethod } from "./method.ts";
import { noSettings } from "./settings.ts";

/** One number per output channel, added to the int32 bias in units of its own scale: folds in exactly and costs nothing to serve. */
export const bias: LayerMethod = {
  kind: "layer",
  name: "bias",
  aliases: ["bitfit", "tinytl"],
  source: "Ben Zaken et al. 2022, BitFit, arXiv:2106.10199; Cai et al. 2020, TinyTL, arXiv:2007.11622",
  settings: noSettings,
  averages: () => true,
  targets: (layers) => layers.filter((layer) => layer.bias),
  parameters: ({ bias }) => [{ name: "bias", dims: bias!.dims, changes: "bias" }],
  change: ({ theta }) => ({ bias: theta("bias") }),
  gradients: (_, { bias }) => ({ bias: () => bias() }),
};
