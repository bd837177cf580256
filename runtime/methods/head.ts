import { isLinear } from "../integer/layers.ts";
import type { LayerMethod } from "./method.ts";
import { noSettings } from "./settings.ts";
import { wholeLayer, wholeLayerParameters } from "./weights.ts";

/** Beside biases, whose moves every sample shares, a head at their rate would learn the few samples by heart. */
const RATE = 0.3;

/** The last linear layer, weight and bias. New classes grow it by rows, which start at the means of their samples. */
export const head: LayerMethod = {
  ...wholeLayer,
  name: "head",
  aliases: ["linear-probe", "last-layer"],
  source: "Qi et al. 2018, weight imprinting, arXiv:1712.07136",
  settings: noSettings,
  targets: (layers) => layers.filter(isLinear).slice(-1),
  // Alone or beside biases, there is no other weight whose pace it has to keep.
  parameters: (layer) => wholeLayerParameters({ ...layer, pace: 1 }, RATE),
};
