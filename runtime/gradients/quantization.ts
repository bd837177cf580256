import { LichenError } from "../errors.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import type { ValueName } from "../onnx/graph.ts";
import { ELEMENTS, int64, tensor } from "../onnx/tensor.ts";
import type { GradientRule } from "./rule.ts";

/** Ends of the quantized element types, and as what they are compared: Clip has no kernels of 16 bits. */
const RANGES = {
  int8: { lowest: -128, highest: 127, compared: "int8" },
  uint8: { lowest: 0, highest: 255, compared: "uint8" },
  int16: { lowest: -32768, highest: 32767, compared: "int32" },
  uint16: { lowest: 0, highest: 65535, compared: "int32" },
} as const;

type Range = (typeof RANGES)[keyof typeof RANGES];

/**
 * Straight through, where the quantizer did not clip: a ReLU folded into the range is the lower end of it, so that this mask is
 * also the ReLU's gradient. @see Bengio et al. 2013, arXiv:1308.3432; Jacob et al. 2018, §3
 */
export const quantize: GradientRule = ({ b, node, dy, type }) => [
  () => {
    const quantized = node.outputs[0]!;
    const { type: element, shape } = type(quantized);
    const range = RANGES[element as keyof typeof RANGES];
    if (!range) throw new LichenError("NO_GRADIENT", { at: `${node.opType} ${node.name}`, found: element });
    return passed(b, inside(b, quantized, range), dy, shape.length);
  },
  null,
  null,
];

/** 1 where a value is at neither end of its range, else 0: in bytes, of which there are four times less to move than of floats. */
function inside(b: GraphBuilder, value: ValueName, { lowest, highest, compared }: Range): ValueName {
  const level = compared === "int32" ? b.add("Cast", [value], { to: ELEMENT_CODES[compared] }) : value;
  const bounds = [lowest + 1, highest - 1].map((bound) =>
    b.constant("bound", tensor(compared, [], ELEMENTS[compared].of(bound))),
  );
  const within = b.add("Equal", [level, b.add("Clip", [level, ...bounds])]);
  return b.add("Cast", [within], { to: ELEMENT_CODES.uint8 });
}

/**
 * dy · mask. Dequantization with a scale for each element multiplies bytes by floats in one pass; Where takes three times as
 * long, for it copies its operands first. The Reshape changes nothing: ONNX Runtime makes each reader a DequantizeLinear of its
 * own, and there are two readers.
 */
function passed(b: GraphBuilder, mask: ValueName, dy: ValueName, rank: number): ValueName {
  const product = b.add("DequantizeLinear", [mask, dy], { axis: 0, block_size: 1 });
  return b.add("Reshape", [product, b.constant("same", int64(Array(rank).fill(0)))]);
}

/** A quantized value carries the gradient of the real number that it stands for. */
export const dequantize: GradientRule = ({ dy }) => [() => dy, null, null];
