import type { Graph } from "../../onnx/graph.ts";
import { unsignedActivations } from "./activations.ts";
import { quantizeBareWeights } from "./bare-weights.ts";
import { carryRealNumbers } from "./carriers.ts";
import { dropCasts } from "./casts.ts";
import { foldClipping } from "./clipping.ts";
import { foldConstants } from "./constants.ts";
import { uniformLayers } from "./layers.ts";
import { layMeansOut } from "./means.ts";
import { joinBiases } from "./products.ts";
import { completeQuantizers } from "./quantizers.ts";
import { ownDequantizers } from "./sharing.ts";

/**
 * Quantization in one form, whichever tool wrote it:
 * - every QuantizeLinear and DequantizeLinear has its zero point, and an axis where it has several scales;
 * - between the two nothing computes on integers;
 * - activations are uint8;
 * - weights are int8 constants with zero points of 0 (uint8 with their own where codes reach further from their zero point than int8
 *   does) and one scale per output channel, biases int32 constants at exactly float32(x scale · weight scale), zeros
 *   where there was none: the only form that ONNX Runtime fuses to integer kernels; real weights behind quantized inputs are made so;
 * - no Relu or Clip stands between an integer operator and its QuantizeLinear;
 * - a product of matrices with a bias behind it is a Gemm, and means over all places go over one axis;
 * - each DequantizeLinear has one reader, so that what a method changes in one layer changes nothing in another.
 *
 * The form keeps the numbers, but for biases that were no multiples of their scale: they are rounded to it, by at most half a step of
 * the integer sum. What ONNX Runtime makes of the form may differ by one code where a number lies half way between two: layers that
 * it ran in float before now run in integers, and its QLinearAdd, QLinearMul and QLinearAveragePool add the zero point, which is another
 * after int8 has become uint8, before they round. uint8 weights become int8 by one shift of codes and zero point; on x64 without VNNI
 * int8 weights beyond ±64 may saturate in ONNX Runtime (see WEIGHT_LIMITS in `quantize/parameters.ts`).
 */
export const uniformQuantizers = (graph: Graph): Graph => PASSES.reduce((current, pass) => pass(current), graph);

const PASSES: readonly ((graph: Graph) => Graph)[] = [
  dropCasts,
  carryRealNumbers,
  completeQuantizers,
  foldConstants,
  unsignedActivations,
  foldClipping,
  layMeansOut,
  joinBiases,
  quantizeBareWeights,
  ownDequantizers,
  uniformLayers,
];
