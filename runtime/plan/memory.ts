import type { Base } from "../derive/base.ts";
import { elementCount } from "../onnx/tensor.ts";
import { OPTIMIZERS, type OptimizerName } from "../optimizers/index.ts";
import type { ValueType } from "../shapes/rules.ts";
import type { Plan } from "./plan.ts";

/**
 * Bytes that a training step will hold, weights and the runtime itself apart: the cache, parameters with gradients and
 * optimizer state (in and out of the loop), every quantized activation behind the frontier until its backward step, and at the
 * widest place three float copies of an activation (its gradient, the same spread or masked, and the next one).
 */
export function predictTrainingBytes(
  base: Base,
  plan: Plan,
  options: { batch: number; optimizer: OptimizerName },
  cacheBytes: number,
): number {
  const outputs = plan.nodes
    .filter((node) => node.opType !== "DequantizeLinear")
    .map((node) => base.types.get(node.outputs[0]!)!);
  const saved = outputs.filter(({ type }) => type !== "float32").reduce((sum, value) => sum + perSample(value), 0);
  const widest = outputs.reduce((largest, value) => Math.max(largest, perSample(value)), 0);
  const copies = 2 * (1 + OPTIMIZERS[options.optimizer].slots.length) + 1;
  return cacheBytes + 4 * copies * plan.trainableParameters + options.batch * (saved + 3 * 4 * widest);
}

const perSample = ({ shape }: ValueType): number => elementCount(shape.slice(1) as number[]);
