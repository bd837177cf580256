import { carriedValues, EPOCH } from "../derive/epoch.ts";
import { LichenError } from "../errors.ts";
import { openSession, type Session, type Tensors } from "../execute/session.ts";
import type { Model } from "../onnx/graph.ts";
import { scalar, sliceRows, type Tensor, tensor, zeroTensor } from "../onnx/tensor.ts";
import type { OptimizerName } from "../optimizers/index.ts";
import type { Plan } from "../plan/plan.ts";
import type { EpochOrder } from "./batches.ts";
import type { Cache } from "./cache.ts";
import { rows } from "./score.ts";

/** Parameters and optimizer state between two epochs. */
export interface TrainingState {
  values: Tensors;
  steps: number;
}

export interface EpochResult {
  state: TrainingState;
  /** Mean over the epoch's steps; not finite when training has diverged. */
  loss: number;
}

/** The derived epoch graph at work. */
export interface Trainer {
  start(parameters: Tensors): TrainingState;
  epoch(state: TrainingState, order: EpochOrder, learningRates: Tensor): Promise<EpochResult>;
  close(): Promise<void>;
}

export async function openTrainer(
  model: Model,
  plan: Plan,
  options: { optimizer: OptimizerName; threads: number; cache: Cache; labels: readonly number[] },
): Promise<Trainer> {
  const session = await openSession(model, { threads: options.threads });
  const carried = carriedValues(plan, options.optimizer);
  const constant = {
    ...Object.fromEntries(Object.entries(options.cache).map(([name, value]) => [EPOCH.cache(name), value])),
    [EPOCH.labels]: tensor("int64", [options.labels.length], BigInt64Array.from(options.labels, BigInt)),
  };
  return {
    start: (parameters) => ({
      values: Object.fromEntries(carried.map(({ name, dims }) => [name, parameters[name] ?? zeroTensor(dims)])),
      steps: 0,
    }),
    async epoch(state, { order, shares, steps }, learningRates) {
      const results = await session.run({
        ...constant,
        ...Object.fromEntries(carried.map(({ name }) => [EPOCH.start(name), state.values[name]!])),
        [EPOCH.order]: order,
        [EPOCH.shares]: shares,
        [EPOCH.learningRates]: learningRates,
        [EPOCH.stepsBefore]: scalar("float32", state.steps),
      });
      const losses = results[EPOCH.losses]!.data as Float32Array;
      return {
        state: {
          values: Object.fromEntries(carried.map(({ name }) => [name, results[EPOCH.next(name)]!])),
          steps: state.steps + steps,
        },
        loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
      };
    },
    close: () => session.close(),
  };
}

/** The derived evaluation graph over a cache. */
export interface Evaluator {
  /** Logits of every cached sample, each [classes]. */
  logits(cache: Cache, parameters: Tensors): Promise<Float32Array[]>;
  close(): Promise<void>;
}

const EVALUATION_BATCH = 64;

export async function openEvaluator(model: Model, plan: Plan, output: string, threads: number): Promise<Evaluator> {
  const session: Session = await openSession(model, { threads });
  return {
    async logits(cache, parameters) {
      const theta = Object.fromEntries(plan.parameters.map(({ name }) => [name, parameters[name]!]));
      const count = Object.values(cache)[0]?.dims[0] ?? 0;
      const found: Float32Array[] = [];
      for (let begin = 0; begin < count; begin += EVALUATION_BATCH) {
        const end = Math.min(begin + EVALUATION_BATCH, count);
        const batch = Object.fromEntries(
          Object.entries(cache).map(([name, value]) => [name, sliceRows(value, begin, end)]),
        );
        const { [output]: logits } = await session.run({ ...batch, ...theta });
        if (!logits) throw new LichenError("BAD_ARGUMENT", { at: `output ${output}`, found: "nothing" });
        found.push(...rows(logits));
      }
      return found;
    },
    close: () => session.close(),
  };
}
