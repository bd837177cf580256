import { LichenError } from "../../errors.ts";
import type { Graph } from "../../onnx/graph.ts";
import { sliceRows, type Tensor } from "../../onnx/tensor.ts";

/** Inputs of the model, batch first. They are gone through several times: what reads files reads them anew each time. */
export type Samples = Iterable<Tensor<"float32">> | AsyncIterable<Tensor<"float32">>;

/** Samples that can be gone through more than once: a generator cannot, and is kept in memory. */
export async function repeatable(samples: Samples): Promise<Samples> {
  const iterator = Symbol.iterator in samples ? samples[Symbol.iterator]() : samples[Symbol.asyncIterator]();
  if ((iterator as unknown) !== samples) return samples;
  const kept: Tensor<"float32">[] = [];
  for await (const batch of samples) kept.push(batch);
  return kept;
}

/** The samples in batches of no more than so many rows. */
export async function* inBatches(samples: Samples, rows: number): AsyncGenerator<Tensor<"float32">> {
  for await (const batch of samples) {
    const count = batch.dims[0]!;
    for (let begin = 0; begin < count; begin += rows) {
      yield sliceRows(batch, begin, Math.min(count, begin + rows)) as Tensor<"float32">;
    }
  }
}

/** The samples at the places that are wanted, one a batch. */
export const chosen = (samples: Samples, wanted: (place: number) => boolean): Samples => ({
  async *[Symbol.asyncIterator]() {
    let place = 0;
    for await (const row of inBatches(samples, 1)) if (wanted(place++)) yield row;
  },
});

/** @throws TOO_FEW_SAMPLES when there is none */
export async function countSamples(samples: Samples): Promise<{ count: number; first: Tensor<"float32"> }> {
  let count = 0;
  let first: Tensor<"float32"> | undefined;
  for await (const batch of samples) {
    first ??= sliceRows(batch, 0, 1) as Tensor<"float32">;
    count += batch.dims[0]!;
  }
  if (first && count > 0) return { count, first };
  throw new LichenError("TOO_FEW_SAMPLES", { at: "calibration", found: 0, wanted: "at least 1" });
}

/** How many samples a model takes at once; without end where its batch may vary. */
export function rowsOf({ inputs }: Graph): number {
  const batch = inputs[0]!.shape[0];
  return typeof batch === "number" ? batch : Number.POSITIVE_INFINITY;
}
