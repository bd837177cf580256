import { deriveEpoch, type EpochOptions } from "../derive/epoch.ts";
import { openSession, type Tensors } from "../execute/session.ts";
import { ELEMENTS, elementCount, tensor } from "../onnx/tensor.ts";
import type { Plan } from "../plan/plan.ts";

const STEPS = 3;

/**
 * Seconds that a step of training takes on this machine, by taking some over zeros: what kernels do takes as long with any numbers.
 * The first call, which makes plans and buffers, does not count.
 */
export async function measureStep(
  plan: Plan,
  options: EpochOptions & { batch: number; threads: number },
  clockMs: () => number,
): Promise<number> {
  const model = await deriveEpoch(plan, options);
  const sizes: Readonly<Record<string, number>> = { samples: options.batch, batch: options.batch, steps: STEPS };
  const inputs: Tensors = Object.fromEntries(
    model.graph.inputs.map(({ name, type, shape }) => {
      const dims = shape.map((dim) => (typeof dim === "number" ? dim : (sizes[dim] ?? 1)));
      return [name, tensor(type, dims, new ELEMENTS[type](elementCount(dims)))];
    }),
  );
  const session = await openSession(model, { threads: options.threads });
  try {
    await session.run(inputs);
    const startedMs = clockMs();
    await session.run(inputs);
    return (clockMs() - startedMs) / 1000 / STEPS;
  } finally {
    await session.close();
  }
}
