import { type Tensor, tensor } from "../onnx/tensor.ts";
import { type Random, shuffled } from "../random/random.ts";

export interface BatchOptions {
  /** Indices into the cache of the samples collected here. */
  local: readonly number[];
  /** Indices into the cache of the rehearsal pack. */
  rehearsal: readonly number[];
  /** Rehearsal samples for each local one. */
  mix: number;
  batch: number;
}

export interface EpochOrder {
  /** int64 [steps, B] */
  order: Tensor<"int64">;
  /** float32 [steps, B]; each row adds up to 1 */
  shares: Tensor<"float32">;
  steps: number;
}

export const stepsPerEpoch = ({ local, rehearsal, mix, batch }: BatchOptions): number =>
  Math.ceil((local.length + rehearsed(local, rehearsal, mix)) / batch);

/** Every local sample once, some of the rehearsal pack, in random order; the last batch is filled up from the front with no weight. */
export function epochOrder(options: BatchOptions, random: Random): EpochOrder {
  const { local, rehearsal, mix, batch } = options;
  const mixedIn = shuffled(rehearsal, random);
  const extra = Array.from({ length: rehearsed(local, rehearsal, mix) }, (_, at) => mixedIn[at % mixedIn.length]!);
  const chosen = shuffled([...local, ...extra], random);
  const steps = stepsPerEpoch(options);

  const order = new BigInt64Array(steps * batch);
  const shares = new Float32Array(steps * batch);
  for (let at = 0; at < order.length; at++) {
    const last = Math.min(batch, chosen.length - Math.floor(at / batch) * batch);
    order[at] = BigInt(chosen[at % chosen.length]!);
    shares[at] = at < chosen.length ? 1 / last : 0;
  }
  return { order: tensor("int64", [steps, batch], order), shares: tensor("float32", [steps, batch], shares), steps };
}

const rehearsed = (local: readonly number[], rehearsal: readonly number[], mix: number): number =>
  rehearsal.length === 0 ? 0 : Math.round(local.length * mix);
