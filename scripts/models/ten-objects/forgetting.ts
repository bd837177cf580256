/**
 * What the synthesized rehearsal pack is worth: a board that sees three of the ten classes, in dim and noisy pictures, adapts without a
 * pack, with that of the package, and with as many pictures of the training set; then clean pictures of all ten classes are shown.
 *
 *   npx tsc --build && node dist/scripts/models/ten-objects/forgetting.js [folder of CIFAR-10, see scripts/datasets/cifar10.ts]
 */

import { adapt, evaluate, loadModel, type ModelPackage, type Rehearsal } from "../../../runtime/index.ts";
import { makeRehearsal } from "../../../runtime/package/rehearsal.ts";
import { gaussian } from "../../../runtime/random/gaussian.ts";
import { type Random, seeded } from "../../../runtime/random/random.ts";
import { markdownTable, meanAndDeviation } from "../../bench/tables.ts";
import { CIFAR10_LABELS, CIFAR10_PICTURE, type Cifar10, cifar10Folder, readCifar10 } from "../../datasets/cifar10.ts";
import type { Example } from "../examples.ts";
import { samplesOf } from "../package.ts";
import { examplesOf } from "./pictures.ts";

const METHODS = ["bias", "full"];
const SEEDS = [1, 2, 3];
/** What the board sees: cat, dog and truck. */
const SEEN = [3, 5, 9];
const LEARNT_FROM = 40; // of each class
const TESTED_ON = 200; // of each class

const data = process.argv[2] ?? cifar10Folder();
if (data === undefined) throw new Error("name the folder of CIFAR-10, as an argument or in LICHEN_CIFAR10");
const { rehearsal, ...bare } = await loadModel("models/ten-objects");
const [train, test] = [await readCifar10(data, "train"), await readCifar10(data, "test")];

const packs: readonly [string, Rehearsal | undefined][] = [
  ["none", undefined],
  ["synthesized", rehearsal],
  ["real pictures", await realPack(rehearsal!.labels.length / CIFAR10_LABELS.length)],
];
const clean = shown(examplesOf(test, firstOf(test, CIFAR10_LABELS.keys(), 0, TESTED_ON)));
const onBoard = shown(dimmed(test, firstOf(test, SEEN, 0, TESTED_ON), seeded(0)));
const rows: string[][] = [["(base)", "", ...(await Promise.all([onBoard, clean].map(percentOf)))]];
for (const method of METHODS) {
  for (const [name, pack] of packs) {
    const model: ModelPackage = pack ? { ...bare, rehearsal: pack } : bare;
    const found: [number, number][] = [];
    for (const seed of SEEDS) {
      const chosen = firstOf(train, SEEN, seed * LEARNT_FROM, LEARNT_FROM);
      const learnt = shown(dimmed(train, chosen, seeded(seed)));
      const { adapter } = await adapt({ model, samples: learnt, method, seed, threads: 1 });
      const accuracyOn = async (on: typeof clean) => 100 * (await evaluate({ model, adapter, samples: on })).accuracy;
      found.push([await accuracyOn(onBoard), await accuracyOn(clean)]);
    }
    const column = (at: 0 | 1) =>
      meanAndDeviation(
        found.map((row) => row[at]),
        1,
      );
    rows.push([method, name, column(0), column(1)]);
  }
}
console.log(
  markdownTable(["method", "rehearsal pack", "the board's three classes, dim", "all ten classes, clean"], rows),
);

function shown(examples: readonly Example[]) {
  return samplesOf(examples, CIFAR10_LABELS);
}

async function percentOf(on: typeof clean): Promise<string> {
  return `${(100 * (await evaluate({ model: bare, samples: on })).accuracy).toFixed(1)} %`;
}

/** As large as the synthesized one, from the end of the training set. */
async function realPack(perClass: number): Promise<Rehearsal> {
  const last = { pixels: train.pixels.subarray(-5000 * CIFAR10_PICTURE), labels: train.labels.subarray(-5000) };
  return (await makeRehearsal(bare.model, bare.card, samplesOf(examplesOf(last), CIFAR10_LABELS), { perClass }))!;
}

/** Numbers of pictures: some of each class, behind the first few. */
function firstOf({ labels }: Cifar10, classes: Iterable<number>, from: number, count: number): number[] {
  const all = [...labels.keys()];
  return [...classes].flatMap((label) => all.filter((at) => labels[at] === label).slice(from, from + count));
}

/** At a third of the light, with the noise of a small sensor. */
function dimmed({ pixels, labels }: Cifar10, chosen: readonly number[], random: Random): Example[] {
  const dark = chosen.map((picture) => {
    const noise = gaussian([CIFAR10_PICTURE], 8, random).data as Float32Array;
    const lit = pixels.subarray(picture * CIFAR10_PICTURE, (picture + 1) * CIFAR10_PICTURE);
    return Uint8ClampedArray.from(lit, (pixel, at) => pixel / 3 + noise[at]!);
  });
  const darkPixels = new Uint8Array(dark.length * CIFAR10_PICTURE);
  for (const [at, picture] of dark.entries()) darkPixels.set(picture, at * CIFAR10_PICTURE);
  return examplesOf({ pixels: darkPixels, labels: Uint8Array.from(chosen, (picture) => labels[picture]!) });
}
