import { join } from "node:path";
import sharp from "sharp";
import { CIFAR10_LABELS, CIFAR10_PICTURE, type Cifar10, cifar10Features, pixelsOf } from "../../datasets/cifar10.ts";
import type { Example } from "../examples.ts";

/** Where train.py, synthesize.py and build.ts leave what they make. */
export const SOURCE = "scripts/models/ten-objects";

/** Mean and deviation of the training pixels, as in train.py. */
export const PREPROCESSING = {
  kind: "image",
  width: 32,
  height: 32,
  channels: 3,
  mean: [125.3, 123, 113.9],
  std: [63, 62.1, 66.7],
} as const;

/** What synthesize.py made: pixels as of CIFAR-10, in the order of the classes. @param root the project's root */
export async function readSynthetic(root = "."): Promise<Cifar10> {
  const { data, info } = await sharp(join(root, SOURCE, "synthetic.png"))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const perClass = info.width / 32;
  const count = perClass * CIFAR10_LABELS.length;
  const pixels = new Uint8Array(count * CIFAR10_PICTURE);
  const labels = new Uint8Array(count);
  for (let picture = 0; picture < count; picture++) {
    const [row, column] = [Math.floor(picture / perClass), picture % perClass];
    labels[picture] = row;
    for (let y = 0; y < 32; y++) {
      const from = ((row * 32 + y) * info.width + column * 32) * 3;
      pixels.set(data.subarray(from, from + 32 * 3), picture * CIFAR10_PICTURE + y * 32 * 3);
    }
  }
  return { pixels, labels };
}

/** @param chosen numbers of pictures; all of them by default */
export const examplesOf = (set: Cifar10, chosen: Iterable<number> = set.labels.keys()): Example[] =>
  Array.from(chosen, (picture) => ({
    label: set.labels[picture]!,
    features: cifar10Features(pixelsOf(set, picture), PREPROCESSING),
  }));
