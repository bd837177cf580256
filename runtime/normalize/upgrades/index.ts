import type { Node } from "../../onnx/graph.ts";
import { text, without } from "../attributes.ts";
import type { Rewrite } from "../rewriting.ts";
import { inferenceForm, withoutDropout } from "./inference.ts";
import { newAttributes, refuse, rootMeanSquare, swish } from "./newer.ts";
import { axesOperand, clipBounds, padOperands, sliceOperands, splitCount, splitOperand, topCount } from "./operands.ts";
import { resizeFrom10, resizeFrom11, upsampleFrom7, upsampleFrom9 } from "./resize.ts";
import { coercedSoftmax } from "./softmax.ts";

/** What a node of an operator set below a version needs to mean the same at it. */
export interface Upgrade {
  below: number;
  rewrite: Rewrite;
}

/** Due in every operator set. */
const ALWAYS = Number.POSITIVE_INFINITY;

const reduction: readonly Upgrade[] = [{ below: 18, rewrite: axesOperand }];
const softmax: readonly Upgrade[] = [{ below: 13, rewrite: coercedSoftmax }];

/**
 * From operator to the changes of meaning since opset 7, oldest first. An operator that is not here means at 7, or where it first
 * came, what it means at 21: the versions between only added element types, or attributes with the old meaning as the default
 * (from the schemas of all versions, onnx 1.23). From 22 to 24 operators of 21 gained bfloat16 and eight-bit floats, AveragePool and
 * MaxPool a clearer text on ceil_mode, QuantizeLinear and DequantizeLinear attributes that `newer.ts` reads.
 */
export const UPGRADES: Readonly<Record<string, readonly Upgrade[]>> = {
  Attention: [{ below: ALWAYS, rewrite: refuse("export with opset 21, where attention is written out") }],
  BatchNormalization: [{ below: ALWAYS, rewrite: inferenceForm }],
  Cast: [{ below: ALWAYS, rewrite: (node) => ({ ...node, attributes: without(node, "round_mode") }) }],
  Clip: [{ below: 11, rewrite: clipBounds }],
  ConvInteger: [{ below: ALWAYS, rewrite: refuse("quantize the model statically (lichen quantize)") }],
  DequantizeLinear: [{ below: ALWAYS, rewrite: newAttributes }],
  Dropout: [{ below: ALWAYS, rewrite: withoutDropout }],
  // Its scale is that of the largest value in the whole batch: a sample's result would depend on its neighbours.
  DynamicQuantizeLinear: [{ below: ALWAYS, rewrite: refuse("quantize the model statically (lichen quantize)") }],
  GridSample: [{ below: 20, rewrite: renamedModes }],
  GroupNormalization: [
    { below: ALWAYS, rewrite: refuse("export with opset 17, where group normalization is written out") },
  ],
  Hardmax: softmax,
  LogSoftmax: softmax,
  MatMulInteger: [{ below: ALWAYS, rewrite: refuse("quantize the model statically (lichen quantize)") }],
  Pad: [{ below: 11, rewrite: padOperands }],
  QuantizeLinear: [{ below: ALWAYS, rewrite: newAttributes }],
  RMSNormalization: [{ below: ALWAYS, rewrite: rootMeanSquare }],
  ReduceL1: reduction,
  ReduceL2: reduction,
  ReduceLogSum: reduction,
  ReduceLogSumExp: reduction,
  ReduceMax: reduction,
  ReduceMean: reduction,
  ReduceMin: reduction,
  ReduceProd: reduction,
  ReduceSum: [{ below: 13, rewrite: axesOperand }],
  ReduceSumSquare: reduction,
  Resize: [
    { below: 11, rewrite: resizeFrom10 },
    { below: ALWAYS, rewrite: resizeFrom11 },
  ],
  RoiAlign: [
    {
      below: 16,
      rewrite: (node) => ({
        ...node,
        attributes: { ...node.attributes, coordinate_transformation_mode: text("output_half_pixel") },
      }),
    },
  ],
  RotaryEmbedding: [{ below: ALWAYS, rewrite: refuse("export with opset 21, where the rotation is written out") }],
  Scan: [{ below: 9, rewrite: refuse("export with opset 9 or later") }],
  Scatter: [{ below: ALWAYS, rewrite: (node) => ({ ...node, opType: "ScatterElements" }) }],
  // What ONNX Runtime's optimizer calls it, without a domain of its own.
  SimplifiedLayerNormalization: [{ below: ALWAYS, rewrite: rootMeanSquare }],
  Slice: [{ below: 10, rewrite: sliceOperands }],
  Softmax: softmax,
  Split: [
    { below: 13, rewrite: splitOperand },
    { below: 18, rewrite: splitCount },
  ],
  Squeeze: [{ below: 13, rewrite: axesOperand }],
  Swish: [{ below: ALWAYS, rewrite: swish }],
  TensorScatter: [{ below: ALWAYS, rewrite: refuse("export without a key and value cache") }],
  TopK: [{ below: 10, rewrite: topCount }],
  Unsqueeze: [{ below: 13, rewrite: axesOperand }],
  Upsample: [
    { below: 9, rewrite: upsampleFrom7 },
    { below: ALWAYS, rewrite: upsampleFrom9 },
  ],
};

/** GridSample-20 calls its modes as Resize does. */
function renamedModes(node: Node): Node {
  const mode = node.attributes.mode?.value;
  const names: Readonly<Record<string, string>> = { bilinear: "linear", bicubic: "cubic" };
  const renamed = names[typeof mode === "string" ? mode : "bilinear"];
  return renamed ? { ...node, attributes: { ...node.attributes, mode: text(renamed) } } : node;
}
