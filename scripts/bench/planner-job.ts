/**
 * One plan, predicted and then measured, in a process of its own: what an earlier plan has left in memory would hide what this one
 * needs. Run by planner.ts, as `node planner-job.js '{"network": …}'`; answers with one line of JSON.
 */
import { createMemoryMeter } from "../../device/memory-meter.ts";
import { prepareBase } from "../../runtime/derive/base.ts";
import { deriveEpoch } from "../../runtime/derive/epoch.ts";
import { elementCount, float32, int64, type Tensor } from "../../runtime/onnx/tensor.ts";
import { makePlan, type Plan, startParameters } from "../../runtime/plan/plan.ts";
import { type Prediction, predict } from "../../runtime/plan/predict.ts";
import { seeded } from "../../runtime/random/random.ts";
import { epochOrder } from "../../runtime/train/batches.ts";
import type { CachedRows } from "../../runtime/train/rows.ts";
import { openTrainer } from "../../runtime/train/trainer.ts";
import { NETWORKS } from "./networks/index.ts";

export interface PlannerJob {
  network: string;
  method: string;
  where: "whole depth" | "last blocks";
  batch: number;
  samples: number;
}

export interface PlannerResult {
  job: PlannerJob;
  prediction: Prediction;
  measuredBytes: number;
  secondsPerStep: number;
}

async function runJob(job: PlannerJob): Promise<PlannerResult> {
  const { network, method, where, batch, samples } = job;
  const { int8, lastBlocks } = await NETWORKS[network]!();
  const plan = makePlan(prepareBase(int8), method, where === "whole depth" ? {} : { targets: lastBlocks });
  const terms = [{ loss: "cross-entropy", weight: 1 }] as const;
  const prediction = predict(plan, { batch, optimizer: "adam", rows: samples, terms });
  const trainer = await openTrainer(await deriveEpoch(plan, { optimizer: "adam", terms, gradientNorm: 5 }), plan, {
    optimizer: "adam",
    threads: 1,
    set: { rows: noiseRows(plan, samples), side: { labels: labelsFor(plan, samples) } },
    meter: createMemoryMeter(),
  });
  try {
    const local = Array.from({ length: samples }, (_, at) => at);
    const order = { ...epochOrder({ local, rehearsal: [], mix: 0, batch }, seeded(1)), rows: null };
    const rates = float32([order.steps], new Float32Array(order.steps).fill(1e-3));
    const first = await trainer.epoch(trainer.start(startParameters(plan)), order, rates);
    const startedMs = performance.now();
    await trainer.epoch(first.state, order, rates);
    const secondsPerStep = (performance.now() - startedMs) / 1000 / order.steps;
    return { job, prediction, measuredBytes: trainer.stateBytes()!, secondsPerStep };
  } finally {
    await trainer.close();
  }
}

/** Memory does not depend on what the activations are. */
function noiseRows({ base, frontier }: Plan, count: number): CachedRows {
  const random = seeded(7);
  const cache: Record<string, Tensor> = {};
  for (const name of frontier) {
    const { shape } = base.types.get(name)!;
    const dims = [count, ...(shape.slice(1) as number[])];
    const data = Uint8Array.from({ length: elementCount(dims) }, () => random() * 256);
    cache[name] = { type: "uint8", dims, data };
  }
  return { count, rowBytes: 0, load: async () => cache };
}

const labelsFor = ({ base }: Plan, count: number): Tensor =>
  int64(Array.from({ length: count }, (_, at) => at % base.classes));

process.stdout.write(`${JSON.stringify(await runJob(JSON.parse(process.argv[2]!)))}\n`);
