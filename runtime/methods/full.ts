import type { LayerMethod } from "./method.ts";
import { noSettings } from "./settings.ts";
import { wholeLayer, wholeLayerParameters } from "./weights.ts";

/** Everything: the reference that the others are compared with. */
export const full: LayerMethod = {
  ...wholeLayer,
  name: "full",
  aliases: ["fine-tuning", "all"],
  source: "Yosinski et al. 2014, How transferable are features in deep neural networks?, arXiv:1411.1792",
  settings: noSettings,
  targets: (layers) => layers,
  parameters: (layer) => wholeLayerParameters(layer),
};
