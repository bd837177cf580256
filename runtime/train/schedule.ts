import { float32, type Tensor } from "../onnx/tensor.ts";

/** The learning rate as a share of its peak, by how much of the run after the warm-up is done (0 to 1). */
export const SCHEDULES = {
  /** @see Loshchilov & Hutter 2017, arXiv:1608.03983 */
  cosine: (done) => 0.5 * (1 + Math.cos(Math.PI * done)),
  constant: () => 1,
} as const satisfies Record<string, (done: number) => number>;

export type ScheduleName = keyof typeof SCHEDULES;

/** The part of a run in which the learning rate grows from nothing, so that optimizers learn the gradients' size first. */
const WARM_UP = 0.05;

/** However long a run may be, for most end early: more steps than this learn nothing of gradients' size. */
const LONGEST_WARM_UP = 100;

/**
 * Learning rates of the steps from `first` on, of `total`: a short linear warm-up, then the schedule.
 * @returns float32 [steps]
 */
export function learningRates(
  schedule: ScheduleName,
  { peak, first, steps, total }: { peak: number; first: number; steps: number; total: number },
): Tensor {
  const warmUp = Math.max(1, Math.min(LONGEST_WARM_UP, Math.round(total * WARM_UP)));
  return float32(
    [steps],
    Array.from({ length: steps }, (_, at) => {
      const step = first + at;
      if (step < warmUp) return (peak * (step + 1)) / warmUp;
      return peak * SCHEDULES[schedule]((step - warmUp) / Math.max(1, total - warmUp));
    }),
  );
}
