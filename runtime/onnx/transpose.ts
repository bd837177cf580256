import { ELEMENTS, type ElementArray, elementCount, type Tensor } from "./tensor.ts";

/** A copy with its axes in another order: axis i of the result is axis perm[i] of the value. @see ONNX Transpose-21 */
export function transposeTensor({ type, dims, data }: Tensor, perm: readonly number[]): Tensor {
  const strides = dims.map((_, axis) => elementCount(dims.slice(axis + 1)));
  const to = perm.map((axis) => dims[axis]!);
  const result = new ELEMENTS[type](data.length) as ElementArray;
  for (let index = 0; index < data.length; index++) {
    let [rest, from] = [index, 0];
    for (let axis = to.length - 1; axis >= 0; axis--) {
      from += (rest % to[axis]!) * strides[perm[axis]!]!;
      rest = Math.floor(rest / to[axis]!);
    }
    result[index] = data[from]!;
  }
  return { type, dims: to, data: result };
}
