import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Preprocessor } from "../../../runtime/signal/index.ts";
import type { Example } from "../examples.ts";

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

/** The label is the digit. */
export interface Take extends Example {
  speaker: string;
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
    for (const label of LABELS.keys()) {
      for (const take of takes) {
        const path = join(folder, `${label}_${speaker}_${take}.wav`);
        read.push({ speaker, label, features: await preprocessor.features(await readFile(path), path) });
      }
    }
  }
  return read;
}
