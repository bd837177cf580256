import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openSession } from "../../../runtime/execute/session.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { elementCount, float32, type Tensor } from "../../../runtime/onnx/tensor.ts";
import type { Preprocessor } from "../../../runtime/signal/index.ts";

/** The ten words, in the order of the data set's digits and of the model's logits. */
export const LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"] as const;

export const TRAINING_SPEAKERS = ["george", "jackson", "lucas", "nicolas"] as const;
/** Never heard in training, nor consulted for any choice. */
export const UNSEEN_SPEAKERS = ["theo", "yweweler"] as const;

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
export const TAKES = {
  heldOut: numbers(0, 5),
  validation: numbers(5, 10),
  training: numbers(10, 50),
  all: numbers(0, 50),
};

export interface Take {
  speaker: string;
  digit: number;
  features: Tensor<"float32">;
}

/** Recordings of the Free Spoken Digit Dataset as features, in the order speaker, digit, take. */
export async function readTakes(
  folder: string,
  preprocessor: Preprocessor,
  speakers: readonly string[],
  takes: readonly number[],
): Promise<Take[]> {
  const read: Take[] = [];
  for (const speaker of speakers) {
    for (const digit of LABELS.keys()) {
      for (const take of takes) {
        const path = join(folder, `${digit}_${speaker}_${take}.wav`);
        read.push({ speaker, digit, features: await preprocessor.features(await readFile(path), path) });
      }
    }
  }
  return read;
}

/** The class that the model finds for each of the features. */
export async function predict(model: Model, features: readonly Tensor<"float32">[]): Promise<number[]> {
  const session = await openSession(model);
  try {
    const predicted: number[] = [];
    for (const batch of batches(features, 50)) {
      const { logits } = await session.run({ features: batch });
      const classes = logits!.dims[1]!;
      const scores = logits!.data as Float32Array;
      for (let row = 0; row < batch.dims[0]!; row++) {
        const of = scores.subarray(row * classes, (row + 1) * classes);
        predicted.push(of.indexOf(Math.max(...of)));
      }
    }
    return predicted;
  } finally {
    await session.close();
  }
}

export async function accuracy(model: Model, takes: readonly Take[]): Promise<number> {
  const predicted = await predict(
    model,
    takes.map(({ features }) => features),
  );
  return takes.filter(({ digit }, index) => digit === predicted[index]).length / takes.length;
}

/** Stacks single examples, [1, …], into batches. */
export function* batches(features: readonly Tensor<"float32">[], size: number): Generator<Tensor<"float32">> {
  for (let from = 0; from < features.length; from += size) {
    const part = features.slice(from, from + size);
    const dims = part[0]!.dims.slice(1);
    const length = elementCount(dims);
    const data = new Float32Array(part.length * length);
    for (const [index, example] of part.entries()) data.set(example.data, index * length);
    yield float32([part.length, ...dims], data);
  }
}
