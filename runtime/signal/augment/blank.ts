import type { Tensor } from "../../onnx/tensor.ts";

/** A rectangle of rows and columns: bands and frames of a spectrum, lines and columns of a picture. */
export interface Area {
  readonly top: number;
  readonly left: number;
  readonly rows: number;
  readonly columns: number;
}

/** Fills an area of every channel with 0, which is the mean of normalized features. @param features [1, channels, rows, columns] */
export function blank(features: Tensor<"float32">, { top, left, rows, columns }: Area): Tensor<"float32"> {
  const [, channels, height, width] = features.dims as [number, number, number, number];
  const data = features.data.slice();
  for (let channel = 0; channel < channels; channel++) {
    for (let row = top; row < top + rows; row++) {
      const start = (channel * height + row) * width + left;
      data.fill(0, start, start + columns);
    }
  }
  return { ...features, data };
}
