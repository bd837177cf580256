import { existsSync } from "node:fs";
import type { Sample } from "../../../runtime/index.ts";
import { seeded, shuffled } from "../../../runtime/random/random.ts";
import {
  CIFAR10_LABELS,
  type Cifar10,
  cifar10Features,
  cifar10Folder,
  pixelsOf,
  readCifar10,
} from "../../datasets/cifar10.ts";
import { type CorruptionName, corrupted, type Severity } from "./corruptions.ts";

/** What happened to a camera; null where it is as it was. */
export type Damage = { corruption: CorruptionName; severity: Severity } | null;

export interface Pictures {
  train: Cifar10;
  test: Cifar10;
}

/** null where the data set is not on this machine. */
export async function cifarPictures(): Promise<Pictures | null> {
  const folder = cifar10Folder();
  if (folder === undefined || !existsSync(folder)) return null;
  return { train: await readCifar10(folder, "train"), test: await readCifar10(folder, "test") };
}

/** Some pictures as samples of a model that takes pixels from 0 to 255, [1, 3, 32, 32]. */
export const samplesOf = (set: Cifar10, indices: readonly number[], damage: Damage): Sample[] =>
  indices.map((at) => {
    const seen = () => {
      const bytes = pixelsOf(set, at);
      return damage ? corrupted(bytes, damage.corruption, damage.severity, seeded(at)) : bytes;
    };
    return {
      label: CIFAR10_LABELS[set.labels[at]!]!,
      id: `${set.labels.length}/${at}/${damage ? `${damage.corruption} ${damage.severity}` : "clean"}`,
      features: async () => cifar10Features(seen()),
      views: async (randoms) => randoms.map((random) => cifar10Features(movedOrMirrored(seen(), random))),
    };
  });

/** So many pictures of each class, in random order. */
export function someOfEach({ labels }: Cifar10, each: number, seed: number): number[] {
  const counts = CIFAR10_LABELS.map(() => 0);
  return shuffled([...labels.keys()], seeded(seed)).filter((at) => counts[labels[at]!]!++ < each);
}

const SIDE = 32;

/** The picture up to three pixels aside, and in half of the cases as in a mirror. */
function movedOrMirrored(bytes: Uint8Array, random: () => number): Uint8Array {
  const mirrored = random() < 0.5;
  const [across, down] = [0, 1].map(() => Math.floor(random() * 7) - 3) as [number, number];
  const within = (at: number) => Math.min(SIDE - 1, Math.max(0, at));
  return bytes.map((_, at) => {
    const [row, column] = [Math.floor(at / 3 / SIDE), Math.floor(at / 3) % SIDE];
    const from = within(column + across);
    return bytes[(within(row + down) * SIDE + (mirrored ? SIDE - 1 - from : from)) * 3 + (at % 3)]!;
  });
}
