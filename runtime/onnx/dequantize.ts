import { elementCount, type Tensor } from "./tensor.ts";

/**
 * The real numbers that codes stand for: scale · (code − zero point).
 * @param scales one for all, or one for each slice along `axis`  @param zeroPoints as many, or one for all
 * @returns in the order of the codes
 */
export function dequantized(
  { data, dims }: Pick<Tensor, "data" | "dims">,
  scales: ArrayLike<number>,
  zeroPoints: ArrayLike<number | bigint>,
  axis: number,
): Float32Array {
  const inner = scales.length === 1 ? data.length : elementCount(dims.slice(axis + 1));
  const zeros = Array.from(zeroPoints, Number);
  const real = new Float32Array(data.length);
  for (let index = 0; index < real.length; index++) {
    const slice = Math.floor(index / inner) % scales.length;
    real[index] = (Number(data[index]) - (zeros[slice] ?? zeros[0]!)) * scales[slice]!;
  }
  return real;
}
