import { float32, type Tensor } from "../onnx/tensor.ts";

/**
 * Learning rates of one epoch: a short linear warm-up, then a cosine down to nothing.
 * @see Loshchilov & Hutter 2017, arXiv:1608.03983
 * @returns float32 [steps]
 */
export function cosineRates(peak: number, first: number, steps: number, total: number): Tensor {
  const warmUp = Math.max(1, Math.round(total * 0.05));
  return float32(
    [steps],
    Array.from({ length: steps }, (_, at) => {
      const step = first + at;
      if (step < warmUp) return (peak * (step + 1)) / warmUp;
      return 0.5 * peak * (1 + Math.cos((Math.PI * (step - warmUp)) / Math.max(1, total - warmUp)));
    }),
  );
}
