import type { Tensor } from "../../onnx/tensor.ts";
import { uniformInteger } from "../../random/uniform.ts";
import { blank } from "./blank.ts";
import type { Disturbance } from "./disturbance.ts";

export interface CutoutOptions {
  /** The most that the square's side is of the picture's shorter one. */
  readonly sideShare: number;
}

/**
 * Hides a square, so that no single part of a thing decides. The square lies wholly inside.
 * @see DeVries & Taylor 2017, «Improved Regularization of Convolutional Neural Networks with Cutout»
 */
export const cutout: Disturbance<Tensor<"float32">, CutoutOptions> = (features, { sideShare }, random) => {
  // [1, channels, height, width]
  const [, , height, width] = features.dims as [number, number, number, number];
  const side = uniformInteger(random, 0, Math.floor(Math.min(height, width) * sideShare));
  const top = uniformInteger(random, 0, height - side);
  const left = uniformInteger(random, 0, width - side);
  return blank(features, { top, left, rows: side, columns: side });
};
