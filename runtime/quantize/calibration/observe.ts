import { assertWanted } from "../../errors.ts";
import { openSession } from "../../execute/session.ts";
import { asModel } from "../../onnx/builder.ts";
import type { Graph, ValueName } from "../../onnx/graph.ts";
import { elementCount, type Tensor } from "../../onnx/tensor.ts";
import type { Probed } from "../probe.ts";
import { type Counted, histogram } from "./histogram.ts";
import { inBatches, rowsOf, type Samples } from "./samples.ts";

/** What every pass over samples needs. */
export interface Pass {
  samples: Samples;
  threads: number;
  signal?: AbortSignal | undefined;
}

/** What values of one batch may take together; a network has many, and all are looked at in one run. */
const BYTES_AT_ONCE = 64 * 2 ** 20;

/**
 * Runs a graph over samples, and hands on what it computed inside, batch by batch.
 * @param values of the graph; its input may be one of them
 */
export async function observe(
  graph: Graph,
  values: readonly ValueName[],
  probed: ReadonlyMap<ValueName, Probed>,
  { samples, threads, signal }: Pass,
  see: (found: Readonly<Record<ValueName, Tensor>>, batch: Tensor<"float32">) => void,
): Promise<void> {
  const input = graph.inputs[0]!.name;
  const inside = values.filter((value) => value !== input);
  const bytes = values.reduce((sum, value) => sum + 4 * elementCount(probed.get(value)?.dims ?? []), 1);
  const rows = Math.min(rowsOf(graph), Math.max(1, Math.floor(BYTES_AT_ONCE / bytes)));
  const outputs = inside.length > 0 ? inside.map((name) => ({ name })) : graph.outputs;
  const session = await openSession(asModel({ ...graph, outputs }), { threads });
  try {
    for await (const batch of inBatches(samples, rows)) {
      assertWanted(signal, "quantizing");
      see({ ...(await session.run({ [input]: batch })), [input]: batch }, batch);
    }
  } finally {
    await session.close();
  }
}

/** How values are distributed over all samples; memory is bounded by the number of values. */
export async function distributions(
  graph: Graph,
  values: readonly ValueName[],
  probed: ReadonlyMap<ValueName, Probed>,
  pass: Pass,
): Promise<ReadonlyMap<ValueName, Counted>> {
  const histograms = values.map((value) => [value, histogram()] as const);
  await observe(graph, values, probed, pass, (found) => {
    for (const [value, counting] of histograms) counting.see(found[value]!.data as Float32Array);
  });
  return new Map(histograms.map(([value, counting]) => [value, counting.counted()]));
}
