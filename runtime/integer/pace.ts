import type { Graph, Node } from "../onnx/graph.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { constantOf, quantizedOperand, realConstant } from "./quantized.ts";

/** As layers have it. */
interface Weight {
  dequantize: Node | null;
}

/** What weights usually come to, as a root mean square: those of pointwise convolutions of a well-kept network. */
const USUAL = 0.15;

/** No layer is so odd that it should learn slower by more. */
const SLOWEST = 2 ** -6;

/**
 * How slowly a layer's weights should move beside those of a usual layer: as much slower as they are smaller, since what a step does to
 * a layer's answers is relative to them. A network whose inputs are pixels of 0 to 255 has first weights a hundred times smaller than
 * its others. Larger ones are not hurried: that cost the spoken digits two points. A power of two, so that many layers share a rate.
 * @see You et al. 2017, arXiv:1708.03888 (LARS); Shazeer & Stern 2018, arXiv:1804.04235, §8
 */
export function paceOf(graph: Graph, weight: Weight, axis: number, value: string): number {
  const size = rootMeanSquare(graph, weight, axis, value);
  if (size === 0) return 1;
  return Math.min(1, Math.max(SLOWEST, 2 ** Math.round(Math.log2(size / USUAL))));
}

/** Weights are many, and layers are found again and again. */
const known = new WeakMap<Tensor, number>();

function rootMeanSquare(graph: Graph, { dequantize }: Weight, axis: number, value: string): number {
  const stored = constantOf(graph, dequantize ? quantizedOperand(dequantize).quantized : value);
  const before = known.get(stored);
  if (before !== undefined) return before;
  const weights = realConstant(graph, value, dequantize, axis);
  const size = Math.sqrt(weights.reduce((sum, each) => sum + each ** 2, 0) / Math.max(1, weights.length));
  known.set(stored, size);
  return size;
}
