import { LichenError } from "../errors.ts";
import { type Tensor, tensor } from "../onnx/tensor.ts";
import type { Preprocessing } from "../package/card.ts";

export type Image = Extract<Preprocessing, { kind: "image" }>;

/** A camera's picture, not a poster: what is larger would not fit into a small board's memory. */
const MAX_PIXELS = 64_000_000;

/**
 * Pixels of a picture: turned upright as its EXIF says, transparent parts on black, sRGB, scaled to cover the model's input
 * and cropped around the centre. @returns [1, channels, height, width]
 * @throws BAD_IMAGE when the file is no picture, is damaged, or is too large.
 */
export async function imageFeatures(p: Image, file: Uint8Array, at: string): Promise<Tensor<"float32">> {
  const pixels = await decode(p, file, at);
  const area = p.width * p.height;
  const features = new Float32Array(p.channels * area);
  for (let channel = 0; channel < p.channels; channel++) {
    const mean = p.mean[channel]!;
    const std = p.std[channel]!;
    for (let i = 0; i < area; i++) features[channel * area + i] = (pixels[i * p.channels + channel]! - mean) / std;
  }
  return tensor("float32", [1, p.channels, p.height, p.width], features);
}

/** @returns [height, width, channels], 0 to 255 */
async function decode({ width, height, channels }: Image, file: Uint8Array, at: string): Promise<Uint8Array> {
  // Loaded when the first picture comes: a board that only listens is spared the library's memory.
  const { default: sharp } = await import("sharp");
  try {
    const upright = sharp(file, { failOn: "truncated", limitInputPixels: MAX_PIXELS }).autoOrient();
    const covered = upright.flatten({ background: "#000" }).resize(width, height, { fit: "cover", position: "centre" });
    return await covered
      .toColourspace(channels === 1 ? "b-w" : "srgb")
      .raw({ depth: "uchar" })
      .toBuffer();
  } catch (cause) {
    throw new LichenError("BAD_IMAGE", { at, found: cause instanceof Error ? cause.message : String(cause), cause });
  }
}
