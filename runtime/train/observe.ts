import { deriveDeploy } from "../derive/deploy.ts";
import { assertWanted } from "../errors.ts";
import { openSession, type Tensors } from "../execute/session.ts";
import { asModel } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { cut } from "../passes/cut.ts";
import type { Plan } from "../plan/plan.ts";
import type { CachedRows } from "./rows.ts";

export interface ObserveOptions {
  /** What it is done for, for whoever calls it off. */
  purpose: string;
  threads: number;
  signal?: AbortSignal | undefined;
}

const BATCH = 16;

/**
 * Runs what is served with these parameters over cached rows, from the plan's frontier on, and shows values inside of it.
 * @param values names in the base's graph  @param chosen rows, in the order in which they are shown
 * @param see is given the values of a batch, each [N, …], and which rows those are
 * @throws CANCELLED
 */
export async function observe(
  plan: Plan,
  parameters: Tensors,
  values: readonly ValueName[],
  rows: CachedRows,
  chosen: readonly number[],
  see: (found: Tensors, batch: readonly number[]) => void,
  { purpose, threads, signal }: ObserveOptions,
): Promise<void> {
  const { graph } = await deriveDeploy(plan, parameters);
  const session = await openSession(asModel(cut(graph, plan.base.types, plan.frontier, values)), { threads });
  try {
    for (let begin = 0; begin < chosen.length; begin += BATCH) {
      assertWanted(signal, purpose);
      const batch = chosen.slice(begin, begin + BATCH);
      see(await session.run(await rows.load(batch)), batch);
    }
  } finally {
    await session.close();
  }
}
