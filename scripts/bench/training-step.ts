import { carriedValues, deriveEpoch, EPOCH } from "../../runtime/derive/epoch.ts";
import { derivePrefix } from "../../runtime/derive/prefix.ts";
import { openSession } from "../../runtime/execute/session.ts";
import type { Model } from "../../runtime/onnx/graph.ts";
import { concatRows, float32, scalar, type Tensor, tensor, zeroTensor } from "../../runtime/onnx/tensor.ts";
import type { Plan } from "../../runtime/plan/plan.ts";
import { seeded } from "../../runtime/random/random.ts";
import { smoothPicture } from "./networks/index.ts";
import type { Contestant } from "./turns.ts";

export const BATCH = 8;

/** One batch of a model's inputs, [batch, …]. */
export function sampleBatch(model: Model, batch: number, seed = 3): Tensor {
  const random = seeded(seed);
  const dims = model.graph.inputs[0]!.shape.slice(1) as number[];
  return concatRows(Array.from({ length: batch }, () => smoothPicture(dims, random)));
}

/** Inference of a batch. */
export async function openInference(name: string, model: Model, threads: number): Promise<Contestant> {
  const session = await openSession(model, { threads });
  const feeds = { [model.graph.inputs[0]!.name]: sampleBatch(model, BATCH) };
  return { name, run: () => session.run(feeds), close: () => session.close(), parts: 1 };
}

/**
 * Training steps as a round takes them: cached frontier, one Loop, Adam. One run is `steps` steps.
 * The samples are few and their labels arbitrary: neither changes what a step costs.
 */
export async function openTrainingSteps(name: string, plan: Plan, threads: number, steps: number): Promise<Contestant> {
  const samples = 2 * BATCH;
  const graph = await deriveEpoch(plan, {
    optimizer: "adam",
    terms: [{ loss: "cross-entropy", weight: 1 }],
    gradientNorm: 5,
  });
  const indices = Array.from({ length: steps * BATCH }, (_, at) => (at * 7) % samples);
  const feeds: Record<string, Tensor> = {
    ...(await frontier(plan, samples, threads)),
    ...Object.fromEntries(carriedValues(plan, "adam").map(({ name, dims }) => [EPOCH.start(name), zeroTensor(dims)])),
    [EPOCH.labels]: tensor(
      "int64",
      [samples],
      BigInt64Array.from({ length: samples }, (_, at) => BigInt(at % plan.base.classes)),
    ),
    [EPOCH.order]: tensor("int64", [steps, BATCH], BigInt64Array.from(indices, BigInt)),
    [EPOCH.shares]: float32([steps, BATCH], new Float32Array(steps * BATCH).fill(1 / BATCH)),
    [EPOCH.learningRates]: float32([steps], new Float32Array(steps).fill(1e-3)),
    [EPOCH.stepsBefore]: scalar("float32", 0),
  };
  const session = await openSession(graph, { threads });
  return { name, run: () => session.run(feeds), close: () => session.close(), parts: steps };
}

async function frontier(plan: Plan, samples: number, threads: number): Promise<Record<string, Tensor>> {
  const { base } = plan;
  const inputs = { [base.input.name]: sampleBatch({ graph: base.graph } as Model, samples) };
  const prefix = derivePrefix(plan);
  const session = prefix && (await openSession(prefix, { threads }));
  const values = session ? await session.run(inputs) : inputs;
  await session?.close();
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [EPOCH.cache(name), value]));
}
