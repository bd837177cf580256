import type { LossTerm } from "../derive/epoch.ts";
import { deriveImportance, IMPORTANCE, measuredSizes } from "../derive/importance.ts";
import { assertWanted } from "../errors.ts";
import { openSession } from "../execute/session.ts";
import { float32, gatherRows } from "../onnx/tensor.ts";
import type { Plan } from "../plan/plan.ts";
import type { Importance } from "../plan/spec.ts";
import type { TrainingSet } from "./trainer.ts";

export interface ImportanceOptions {
  terms: readonly LossTerm[];
  /** Rows of the set that are looked at, such as the local samples without views and rehearsal. */
  rows: readonly number[];
  batch: number;
  threads: number;
  signal?: AbortSignal | undefined;
}

/**
 * How much each channel of the plan's layers matters to the loss on these rows, in one pass over them: F = 1/(2N) Σ_n (Σ_p a·g)²;
 * and each weight, F = 1/(2N) Σ_n (∂L_n/∂w)², where a method chooses among them.
 * The plan says which layers are looked at, and where the set was cached; nothing is trained. @throws CANCELLED, NO_GRADIENT
 */
export async function measureImportance(plan: Plan, set: TrainingSet, options: ImportanceOptions): Promise<Importance> {
  const { rows, signal } = options;
  const sizes = measuredSizes(plan);
  const batch = sizes.some((each) => each.of === "weight") ? 1 : options.batch;
  const sums = new Map(sizes.map(({ name, size }) => [name, new Float64Array(size)]));
  const session = await openSession(await deriveImportance(plan, options.terms), { threads: options.threads });
  try {
    for (let begin = 0; begin < rows.length; begin += batch) {
      assertWanted(signal, "importance");
      const chosen = rows.slice(begin, begin + batch);
      const side = Object.entries(set.side).map(([name, value]) => [name, gatherRows(value, chosen)] as const);
      const results = await session.run({
        ...(await set.rows.load(chosen)),
        ...Object.fromEntries(side),
        [IMPORTANCE.counts]: float32([chosen.length], new Float32Array(chosen.length).fill(1)),
      });
      for (const [name, sum] of sums) {
        const found = results[IMPORTANCE.of(name)]!.data as Float32Array;
        for (let channel = 0; channel < sum.length; channel++) sum[channel]! += found[channel]! / (2 * rows.length);
      }
    }
  } finally {
    await session.close();
  }
  return new Map([...sums].map(([name, sum]) => [name, Float32Array.from(sum)]));
}
