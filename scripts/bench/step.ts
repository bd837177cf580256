import { prepareBase } from "../../runtime/derive/base.ts";
import { makePlan } from "../../runtime/plan/plan.ts";
import { NETWORKS } from "./networks/index.ts";
import { markdownTable } from "./tables.ts";
import { BATCH, openInference, openTrainingSteps } from "./training-step.ts";
import { takeTurns } from "./turns.ts";

const THREADS = [1, 2];

/**
 * What a training step costs beside a float inference of the same batch: bias-only, forward in int8, backward and Adam, over
 * the whole depth and over the last four blocks, whose prefix is cached.
 */
export async function benchStep(): Promise<string> {
  const rows: string[][] = [];
  for (const make of Object.values(NETWORKS)) {
    const network = await make();
    const base = prepareBase(network.int8);
    const whole = makePlan(base, "bias");
    const last = makePlan(base, "bias", { targets: network.lastBlocks });
    for (const threads of THREADS) {
      const { steps, rounds } = network;
      const times = await takeTurns(
        [
          await openInference("float", network.float, threads),
          await openInference("int8", network.int8, threads),
          await openTrainingSteps("whole", whole, threads, steps),
          await openTrainingSteps("last", last, threads, steps),
        ],
        rounds,
      );
      const float = times.get("float")!;
      const [int8, wholeDepth, lastBlocks] = ["int8", "whole", "last"].map((name) => times.get(name)!) as [
        number,
        number,
        number,
      ];
      rows.push([
        network.name,
        String(threads),
        milliseconds(float),
        milliseconds(int8),
        milliseconds(wholeDepth),
        (wholeDepth / float).toFixed(2),
        milliseconds(lastBlocks),
        (lastBlocks / float).toFixed(2),
      ]);
    }
  }
  const header = ["network", "threads", "float inference", "int8 inference", "step, whole depth", "ratio"];
  return `Batches of ${BATCH}, medians.\n\n${markdownTable([...header, "step, last four blocks", "ratio"], rows)}`;
}

const milliseconds = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} ms`;
