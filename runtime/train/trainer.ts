import { carriedValues, EPOCH } from "../derive/epoch.ts";
import { assertWanted, LichenError } from "../errors.ts";
import type { MemoryMeter } from "../execute/memory-meter.ts";
import { meterSession } from "../execute/metered.ts";
import { openSession, type Tensors } from "../execute/session.ts";
import type { Model } from "../onnx/graph.ts";
import { gatherRows, scalar, type Tensor, zeroTensor } from "../onnx/tensor.ts";
import type { OptimizerName } from "../optimizers/index.ts";
import type { Plan } from "../plan/plan.ts";
import type { EpochChunk } from "./batches.ts";
import type { CachedRows } from "./rows.ts";
import { rows as rowsOf } from "./score.ts";

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
  epoch(state: TrainingState, chunk: EpochChunk, learningRates: Tensor): Promise<EpochResult>;
  close(): Promise<void>;
}

export interface MeteredTrainer extends Trainer {
  /** Training state as measured in the first epoch; null before it, and without a meter. @see meterSession */
  stateBytes(): number | null;
}

/** All that the epoch graph reads of the samples. */
export interface TrainingSet {
  rows: CachedRows;
  /** What the losses compare with, by the names of the graph's inputs; each [S, …]. */
  side: Tensors;
}

export async function openTrainer(
  model: Model,
  plan: Plan,
  options: { optimizer: OptimizerName; threads: number; set: TrainingSet; meter?: MemoryMeter | undefined },
): Promise<MeteredTrainer> {
  const bare = await openSession(model, { threads: options.threads });
  const metered = options.meter && meterSession(bare, options.meter);
  const session = metered ?? bare;
  const carried = carriedValues(plan, options.optimizer);
  const { rows, side } = options.set;
  let whole: Tensors | undefined;
  const inputs = async (chosen: readonly number[] | null): Promise<Tensors> => {
    if (!chosen && whole) return whole;
    const cache = Object.entries(await rows.load(chosen ?? undefined));
    const found = {
      ...Object.fromEntries(cache.map(([name, value]) => [EPOCH.cache(name), value])),
      ...(chosen
        ? Object.fromEntries(Object.entries(side).map(([name, value]) => [name, gatherRows(value, chosen)]))
        : side),
    };
    if (!chosen) whole = found;
    return found;
  };
  return {
    start: (parameters) => ({
      values: Object.fromEntries(carried.map(({ name, dims }) => [name, parameters[name] ?? zeroTensor(dims)])),
      steps: 0,
    }),
    async epoch(state, { order, shares, steps, rows: chosen }, learningRates) {
      const results = await session.run({
        ...(await inputs(chosen)),
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
    stateBytes: () => metered?.runBytes() ?? null,
    close: () => session.close(),
  };
}

/** The derived evaluation graph over a cache. */
export interface Evaluator {
  /** Logits of cached samples, each [classes]. @throws CANCELLED */
  logits(rows: CachedRows, parameters: Tensors): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/** No larger than a usual training batch, so that scoring needs no more memory than a step. */
const EVALUATION_BATCH = 16;

export async function openEvaluator(
  model: Model,
  plan: Plan,
  { threads, signal }: { threads: number; signal?: AbortSignal | undefined },
): Promise<Evaluator> {
  const session = await openSession(model, { threads });
  return {
    async logits(rows, parameters) {
      const theta = Object.fromEntries(plan.parameters.map(({ name }) => [name, parameters[name]!]));
      const found: Float32Array[] = [];
      for (let begin = 0; begin < rows.count; begin += EVALUATION_BATCH) {
        assertWanted(signal, "scoring");
        const length = Math.min(EVALUATION_BATCH, rows.count - begin);
        const batch = await rows.load(Array.from({ length }, (_, at) => begin + at));
        const { [plan.base.logits.name]: logits } = await session.run({ ...batch, ...theta });
        if (!logits) throw new LichenError("BAD_ARGUMENT", { at: `output ${plan.base.logits.name}`, found: "nothing" });
        found.push(...rowsOf(logits, plan.base.classes));
      }
      return found;
    },
    close: () => session.close(),
  };
}
