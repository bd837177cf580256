import { createHash } from "node:crypto";
import { elementCount, float32, type Tensor } from "../onnx/tensor.ts";
import { type Random, seeded } from "./random.ts";

/** Numbers that belong to a name: whoever knows it can make them again. */
export const seededBy = (name: string): Random => seeded(createHash("sha256").update(name).digest().readUInt32LE());

/** Normally distributed numbers. @see Box & Muller 1958 */
export function gaussian(dims: readonly number[], deviation: number, random: Random): Tensor<"float32"> {
  const values = Float32Array.from({ length: elementCount(dims) }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    return deviation * radius * Math.cos(2 * Math.PI * random());
  });
  return float32(dims, values) as Tensor<"float32">;
}
