import { LichenError } from "../errors.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import { scalar } from "../onnx/tensor.ts";
import { where } from "./elementwise.ts";
import type { GradientRule } from "./rule.ts";

/** Smallest and largest value of the quantized element types. */
const RANGES = { int8: [-128, 127], uint8: [0, 255], int16: [-32768, 32767], uint16: [0, 65535] } as const;

/**
 * Straight through, where the quantizer did not clip: a ReLU folded into the range is the lower end of it, so that this mask is
 * also the ReLU's gradient. @see Bengio et al. 2013, arXiv:1308.3432; Jacob et al. 2018, §3
 */
export const quantize: GradientRule = ({ b, node, dy, type }) => [
  () => {
    const quantized = node.outputs[0]!;
    const range = RANGES[type(quantized).type as keyof typeof RANGES];
    if (!range)
      throw new LichenError("NO_GRADIENT", { at: `${node.opType} ${node.name}`, found: type(quantized).type });
    const level = b.add("Cast", [quantized], { to: ELEMENT_CODES.float32 });
    const above = b.add("Greater", [level, b.constant("lowest", scalar("float32", range[0]))]);
    const below = b.add("Less", [level, b.constant("highest", scalar("float32", range[1]))]);
    return where(b, b.add("And", [above, below]), dy);
  },
  null,
  null,
];

/** A quantized value carries the gradient of the real number that it stands for. */
export const dequantize: GradientRule = ({ dy }) => [() => dy, null, null];
