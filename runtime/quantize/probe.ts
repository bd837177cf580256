import { openSession } from "../execute/session.ts";
import { asModel } from "../onnx/builder.ts";
import type { Graph, ValueName } from "../onnx/graph.ts";
import type { ElementType, Tensor } from "../onnx/tensor.ts";

/** What a value turned out to be for one sample. */
export interface Probed {
  type: ElementType;
  /** [1, …] */
  dims: readonly number[];
}

/**
 * Types and shapes of everything that a graph computes, seen and not inferred: there is no operator that ONNX Runtime runs and
 * quantization stumbles over.
 */
export async function probe(graph: Graph, sample: Tensor<"float32">): Promise<ReadonlyMap<ValueName, Probed>> {
  const computed = graph.nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== ""));
  const session = await openSession(asModel({ ...graph, outputs: computed.map((name) => ({ name })) }));
  try {
    const found = await session.run({ [graph.inputs[0]!.name]: sample });
    const known = [...Object.entries(found), ...graph.initializers, [graph.inputs[0]!.name, sample] as const];
    return new Map(known.map(([name, { type, dims }]) => [name, { type, dims }]));
  } finally {
    await session.close();
  }
}
