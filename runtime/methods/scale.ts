import { isWeighted } from "../integer/layers.ts";
import { float32 } from "../onnx/tensor.ts";
import type { LayerMethod } from "./method.ts";
import { noSettings } from "./settings.ts";

/** Factors stay within these, above zero, so that a quantization scale stays one. */
const [SMALLEST, LARGEST] = [1 / 16, 16];

/** A factor multiplies all of a channel: it bears less than what is added to it, beside which it is usually trained. */
const RATE = 0.3;

/** One factor per output channel, in the quantization scale: the int8 weights stay bit-identical. */
export const scale: LayerMethod = {
  kind: "layer",
  name: "scale",
  aliases: ["ia3", "ssf", "peqa"],
  source:
    "Liu et al. 2022, (IA)³, arXiv:2205.05638; Lian et al. 2022, SSF, arXiv:2210.08823; Kim et al. 2023, PEQA, arXiv:2305.14152",
  settings: noSettings,
  averages: () => true,
  targets: (layers) => layers.filter(isWeighted),
  parameters: ({ outChannels }) => [{ name: "scale", dims: [outChannels], changes: "scale", rate: RATE }],
  change({ b, theta }) {
    const moved = theta("scale");
    if (!moved) return {};
    const [one, low, high] = [1, SMALLEST, LARGEST].map((bound) => b.constant("bound", float32([], [bound])));
    return { scale: b.add("Clip", [b.add("Add", [moved, one!]), low!, high!]) };
  },
  gradients: (_, { scale }) => ({ scale: () => scale() }),
};
