import { quantizedOperand } from "../integer/layers.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import { float32 } from "../onnx/tensor.ts";
import type { Method } from "./method.ts";

/** Beyond this an int32 sum could overflow; float32 holds the bound exactly. */
const LARGEST = 2 ** 30;

/** One number per output channel, added to the int32 bias in units of its own scale: folds in exactly and costs nothing to serve. */
export const bias: Method = {
  name: "bias",
  aliases: ["bitfit", "tinytl"],
  source: "Ben Zaken et al. 2022, BitFit, arXiv:2106.10199; Cai et al. 2020, TinyTL, arXiv:2007.11622",
  operands: ["bias"],
  targets: (layers) => layers,
  parameters: (layer) => [{ name: "bias", dims: [layer.outChannels] }],

  effective({ b, layer, theta }) {
    const { quantized, scale, zeroPoint } = quantizedOperand(layer.bias);
    // int32 + int32: the base's own bias is kept to the last bit, however large it is.
    const steps = b.add("Round", [b.add("Div", [theta("bias"), scale])]);
    const bounds = [-LARGEST, LARGEST].map((bound) => b.constant("bound", float32([], [bound])));
    const shift = b.add("Cast", [b.add("Clip", [steps, ...bounds])], { to: ELEMENT_CODES.int32 });
    return { bias: { quantized: b.add("Add", [quantized, shift]), scale, zeroPoint } };
  },

  gradients: ({ gradient }) => ({ bias: gradient("bias") }),
};
