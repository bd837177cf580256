import { openSession } from "../../runtime/execute/session.ts";
import type { Model } from "../../runtime/onnx/graph.ts";
import { elementCount, float32, type Tensor } from "../../runtime/onnx/tensor.ts";
import { argmax, rows } from "../../runtime/train/score.ts";

/** What a base model is made of and judged by: the features of one thing, [1, …], and the number of its class. */
export interface Example {
  label: number;
  features: Tensor<"float32">;
}

/** The part of the examples that the model gets right, 0 to 1. */
export async function accuracy(model: Model, examples: readonly Example[]): Promise<number> {
  return (await known(model, examples)).length / examples.length;
}

/** Those that the model gets right. */
export async function known<E extends Example>(model: Model, examples: readonly E[]): Promise<E[]> {
  const predicted = await predict(model, examples);
  return examples.filter(({ label }, index) => predicted[index] === label);
}

type Features = Pick<Example, "features">;

/** The class that the model finds for each of the examples. */
export async function predict(model: Model, examples: readonly Features[], threads = 1): Promise<number[]> {
  const [input, output] = [model.graph.inputs[0]!.name, model.graph.outputs[0]!.name];
  const session = await openSession(model, { threads });
  try {
    const predicted: number[] = [];
    for (const batch of batches(examples, 50)) {
      const { [output]: answers } = await session.run({ [input]: batch });
      predicted.push(...rows(answers!, answers!.data.length / batch.dims[0]!).map(argmax));
    }
    return predicted;
  } finally {
    await session.close();
  }
}

/** Stacks the examples' features, [1, …], to [size, …]; the last batch may be smaller. */
export function* batches(examples: readonly Features[], size: number): Generator<Tensor<"float32">, void> {
  for (let from = 0; from < examples.length; from += size) {
    const part = examples.slice(from, from + size);
    const dims = part[0]!.features.dims.slice(1);
    const length = elementCount(dims);
    const data = new Float32Array(part.length * length);
    for (const [index, { features }] of part.entries()) data.set(features.data, index * length);
    yield float32([part.length, ...dims], data);
  }
}
