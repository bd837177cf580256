import { LichenError } from "../errors.ts";
import { type Tensor, tensor } from "../onnx/tensor.ts";
import type { Preprocessing } from "../package/card.ts";
import type { Random } from "../random/random.ts";
import { type AugmentPolicy, canvasSize, pictureView } from "./augment/index.ts";
import type { Picture } from "./picture.ts";

export type Image = Extract<Preprocessing, { kind: "image" }>;

/** A camera's picture, not a poster: what is larger would not fit into a small board's memory. */
const MAX_PIXELS = 64_000_000;

/**
 * Pixels of a picture: turned upright as its EXIF says, transparent parts on black, sRGB, scaled to cover the model's input
 * and cropped around the centre. @returns [1, channels, height, width]
 * @throws BAD_IMAGE when the file is no picture, is damaged, or is too large.
 */
export const imageFeatures = async (p: Image, file: Uint8Array, at: string): Promise<Tensor<"float32">> =>
  normalized(p, await decode(file, p, at));

/** Views of one picture, each [1, channels, height, width], within what `imageFeatures` shows. @throws BAD_IMAGE */
export async function imageViews(
  p: Image,
  file: Uint8Array,
  at: string,
  randoms: readonly Random[],
  policy: AugmentPolicy,
): Promise<Tensor<"float32">[]> {
  const canvas = await decode(file, { ...canvasSize(p, policy), channels: p.channels }, at);
  return randoms.map((random) => pictureView(canvas, p, (picture) => normalized(p, picture), policy, random));
}

/** @returns [1, channels, height, width] */
function normalized(p: Image, { pixels }: Picture): Tensor<"float32"> {
  const area = p.width * p.height;
  const features = new Float32Array(p.channels * area);
  for (let channel = 0; channel < p.channels; channel++) {
    const mean = p.mean[channel]!;
    const std = p.std[channel]!;
    for (let i = 0; i < area; i++) features[channel * area + i] = (pixels[i * p.channels + channel]! - mean) / std;
  }
  return tensor("float32", [1, p.channels, p.height, p.width], features);
}

async function decode(file: Uint8Array, size: Omit<Picture, "pixels">, at: string): Promise<Picture> {
  const { width, height, channels } = size;
  // Loaded when the first picture comes: a board that only listens is spared the library's memory.
  const { default: sharp } = await import("sharp");
  try {
    const upright = sharp(file, { failOn: "truncated", limitInputPixels: MAX_PIXELS }).autoOrient();
    const covered = upright.flatten({ background: "#000" }).resize(width, height, { fit: "cover", position: "centre" });
    const pixels = await covered
      .toColourspace(channels === 1 ? "b-w" : "srgb")
      .raw({ depth: "uchar" })
      .toBuffer();
    return { width, height, channels, pixels };
  } catch (cause) {
    throw new LichenError("BAD_IMAGE", { at, found: cause instanceof Error ? cause.message : String(cause), cause });
  }
}
