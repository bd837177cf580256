import * as z from "zod";
import { isWeighted } from "../integer/layers.ts";
import type { LayerMethod } from "./method.ts";
import { countSetting, shareSetting } from "./settings.ts";
import { wholeLayer, wholeLayerParameters } from "./weights.ts";

const settings = z.strictObject({
  /** How many of the last weighted layers. */
  layers: countSetting(3),
  /** Learning rate of a layer as a share of the one behind it. */
  decay: shareSetting(0.6),
  /** How many of the chosen layers lie behind this one. */
  depth: z.coerce.number().int().min(0).default(0),
});

/** Whole last layers, the later the faster: earlier features are more general and should move less. */
export const layerwise: LayerMethod = {
  ...wholeLayer,
  name: "layerwise",
  aliases: ["last-k", "discriminative"],
  source: "Howard & Ruder 2018, discriminative fine-tuning, arXiv:1801.06146",
  settings,
  targets: (layers, { layers: count }) => layers.filter(isWeighted).slice(-(count as number)),
  settle: (_, settings, { at, of }) => ({ ...settings, depth: of - 1 - at }),
  parameters: (layer, { decay, depth }) => wholeLayerParameters(layer, (decay as number) ** (depth as number)),
};
