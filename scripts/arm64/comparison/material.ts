import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { inMemory, readDataset } from "../../../device/offline/dataset.ts";
import { createPreprocessor, loadModel } from "../../../runtime/index.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import type { Tensor } from "../../../runtime/onnx/tensor.ts";
import { quantizeModel } from "../../../runtime/quantize/index.ts";
import { CIFAR10_LABELS, pixelsOf } from "../../datasets/cifar10.ts";
import { trashnetFolder } from "../../datasets/shared.ts";
import { writePackage } from "../../models/package.ts";
import { readSynthetic } from "../../models/ten-objects/pictures.ts";

const RECORDINGS = "scripts/demo/recordings/board-a";

const PARTS = ["train", undefined, "test", undefined] as const;

/** Of each kind of waste. */
const PHOTOGRAPHS = 4;

/**
 * Makes what machines are compared by: a folder for each package, with `package`, the labelled files `train` and `test`, and perhaps
 * unlabelled `photographs`. It is made once, here: what quantizes and encodes has roundings of its own.
 */
export async function makeMaterial(folder: string): Promise<void> {
  for (const [name, files] of Object.entries(FILES)) {
    const own = join(folder, `${name}, uint8`);
    await cp(join("models", name), join(own, "package"), { recursive: true });
    await files(own);

    const signed = join(folder, `${name}, int8`);
    for (const part of await readdir(own)) {
      if (part !== "package") await cp(join(own, part), join(signed, part), { recursive: true });
    }
    await quantizeSigned(name, signed);
  }
}

const FILES = {
  "spoken-digits": async (folder) => {
    for (const part of ["train", "test"]) await cp(join(RECORDINGS, part), join(folder, part), { recursive: true });
  },
  "ten-objects": async (folder) => {
    await makePictures(folder);
    await takePhotographs(join(folder, "photographs"));
  },
} satisfies Record<string, (folder: string) => Promise<void>>;

/** Synthesized pictures in other colours, which is something to learn, and of another size, as JPEG files: of four, one trains and one judges. */
async function makePictures(folder: string): Promise<void> {
  const synthetic = await readSynthetic();
  for (const [at, label] of synthetic.labels.entries()) {
    const part = PARTS[at % PARTS.length];
    if (part === undefined) continue;
    const home = join(folder, part, CIFAR10_LABELS[label]!);
    const pixels = pixelsOf(synthetic, at).map((pixel) => 255 - pixel);
    const picture = sharp(pixels, { raw: { width: 32, height: 32, channels: 3 } }).resize(120, 90, { fit: "fill" });
    await mkdir(home, { recursive: true });
    await writeFile(join(home, `${at}.jpg`), await picture.jpeg({ quality: 90 }).toBuffer());
  }
}

/** Real photographs of things that the network does not know, where this machine has them: pixels as cameras give them. */
async function takePhotographs(folder: string): Promise<void> {
  const source = join(trashnetFolder(), "val");
  const kinds = await readdir(source).catch(() => []);
  if (kinds.length === 0) return console.warn("skipped: photographs, for want of LICHEN_SHARED");
  await mkdir(folder);
  for (const kind of kinds.sort()) {
    const files = (await readdir(join(source, kind))).sort().slice(0, PHOTOGRAPHS);
    for (const file of files) await cp(join(source, kind, file), join(folder, file));
  }
}

/** The package again with int8 activations and weights of eight bits, as `--target arm64` makes it of the float network. */
async function quantizeSigned(name: string, folder: string): Promise<void> {
  const { card } = await loadModel(join("models", name));
  const path = join("scripts/models", name, "float.onnx");
  const samples = await inMemory(await readDataset(join(folder, "train"), createPreprocessor(card.preprocessing)));
  const examples = samples.map(({ label, features }) => ({
    label: card.labels.indexOf(label as string),
    features: features as Tensor<"float32">,
  }));
  const model = await quantizeModel(decodeModel(await readFile(path), path), {
    samples: examples.map(({ features }) => features),
    target: "arm64",
  });
  const { format: _, sha256: __, rehearsal: ___, ...draft } = card;
  await writePackage(join(folder, "package"), { model, card: { ...draft, metrics: [] }, examples, perClass: 8 });
}
