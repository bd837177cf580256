import { type Base, prepareBase } from "../derive/base.ts";
import { LichenError } from "../errors.ts";
import { openSession, type Session } from "../execute/session.ts";
import type { Model, ValueInfo } from "../onnx/graph.ts";
import { concatRows, elementCount, float32, sliceRows, type Tensor } from "../onnx/tensor.ts";
import { seeded } from "../random/random.ts";
import { BATCH } from "./batch.ts";
import { inputRange, type Range } from "./range.ts";

/**
 * That a model does what all of Lichen relies on: it can be understood, it runs, it answers with numbers, and it answers to a sample
 * as it would answer to that sample alone.
 * @throws NO_SHAPE, UNSUPPORTED_OPERATOR, MODEL_CORRUPT, BATCH_MATTERS
 */
export async function checkModel(model: Model): Promise<Base> {
  const base = prepareBase(model);
  const batch = base.output.shape[0];
  if (batch !== BATCH) throw batchMatters(base.output, `[${base.output.shape.join(", ")}]`, `[${BATCH}, …]`);
  const session = await openSession(model);
  try {
    await compareBatches(session, base);
  } finally {
    await session.close();
  }
  return base;
}

async function compareBatches(session: Session, { graph, input, output }: Base): Promise<void> {
  const range = inputRange(graph) ?? { low: -1, high: 1 };
  const samples = [1, 2].map((seed) => noise(input, range, seed));
  const answerTo = async (features: Tensor): Promise<Tensor> => {
    const { [output.name]: answer } = await session.run({ [input.name]: features }).catch((cause: unknown) => {
      throw batchMatters(output, `no answer to ${features.dims[0]} samples`, "an answer to each", cause);
    });
    return answer!;
  };
  const alone = [await answerTo(samples[0]!), await answerTo(samples[1]!)];
  const together = await answerTo(concatRows(samples));
  for (const [at, answer] of alone.entries()) {
    const values = answer.data as Float32Array;
    if (!values.every(Number.isFinite)) {
      throw new LichenError("MODEL_CORRUPT", {
        at: `output ${output.name}`,
        found: "an answer that is no number (NaN or infinite)",
        wanted: "finite numbers",
        todo: "check the model where it was exported",
      });
    }
    const size = values.length;
    const beside = together.dims[0] === 2 ? (sliceRows(together, at, at + 1).data as Float32Array) : new Float32Array();
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (beside.length === size && values.every((value, n) => Math.abs(value - beside[n]!) <= TOLERANCE * largest))
      continue;
    throw batchMatters(output, "another answer to two samples at once than to each alone", "the same answers");
  }
}

/** Float sums in a batch may be added in another order. A code of an 8-bit output is 50 times larger. */
const TOLERANCE = 1e-4;

const batchMatters = ({ name }: ValueInfo, found: string, wanted: string, cause?: unknown) =>
  new LichenError("BATCH_MATTERS", { at: `output ${name}`, found, wanted, ...(cause !== undefined && { cause }) });

/** [1, …], evenly from all that the input can be. */
function noise({ shape }: ValueInfo, { low, high }: Range, seed: number): Tensor {
  const dims = [1, ...(shape.slice(1) as number[])];
  const next = seeded(seed);
  return float32(
    dims,
    Array.from({ length: elementCount(dims) }, () => low + next() * (high - low)),
  );
}
