import { LichenError } from "../errors.ts";
import { type Tensor, tensor } from "../onnx/tensor.ts";
import type { FullPreprocessing } from "../package/preprocessing.ts";
import type { Random } from "../random/random.ts";
import { type AugmentPolicy, canvasSize, pictureView } from "./augment/index.ts";
import type { Bytes } from "./bytes.ts";
import type { Picture } from "./picture.ts";

export type Image = Extract<FullPreprocessing, { kind: "image" }>;

/** What sharp calls the formats that are read, by what their files are called. Of an animation the first picture is taken. */
const FORMATS: Readonly<Record<string, string>> = {
  ".jpg": "jpeg",
  ".jpeg": "jpeg",
  ".png": "png",
  ".webp": "webp",
  ".gif": "gif",
  ".tif": "tiff",
  ".tiff": "tiff",
  ".avif": "heif",
};

export const IMAGE_EXTENSIONS: readonly string[] = Object.keys(FORMATS);

/** A camera's picture, not a poster: decoded, this many pixels take 100 MB of a small board's memory, however small the file is. */
const MAX_PIXELS = 25_000_000;

const FITS = { cover: "cover", contain: "contain", stretch: "fill" } as const;
const BACKGROUNDS = { black: "#000", white: "#fff" } as const;

/**
 * Pixels of a picture: turned upright as its EXIF says, its colours brought from its profile to sRGB, transparent parts on the card's
 * background, scaled to the model's input as the card's fit says. What does not fit is lost on both sides.
 * @returns [1, channels, height, width]
 * @throws BAD_IMAGE when the file is no picture, is damaged, or is too large.
 */
export const imageFeatures = async (p: Image, file: Bytes, at: string): Promise<Tensor<"float32">> =>
  normalized(p, await decode(file, p, p, at));

/** Views of one picture, each [1, channels, height, width], within what `imageFeatures` shows. @throws BAD_IMAGE */
export async function imageViews(
  p: Image,
  file: Bytes,
  at: string,
  randoms: readonly Random[],
  policy: AugmentPolicy,
): Promise<Tensor<"float32">[]> {
  const canvas = await decode(file, p, canvasSize(p, policy), at);
  return randoms.map((random) => pictureView(canvas, p, (picture) => normalized(p, picture), policy, random));
}

/** @returns [1, channels, height, width] */
function normalized(p: Image, { pixels }: Picture): Tensor<"float32"> {
  const area = p.width * p.height;
  const features = new Float32Array(p.channels * area);
  for (let channel = 0; channel < p.channels; channel++) {
    const mean = p.mean[channel]!;
    const std = p.std[channel]!;
    const from = p.order === "bgr" ? p.channels - 1 - channel : channel;
    for (let i = 0; i < area; i++) features[channel * area + i] = (pixels[i * p.channels + from]! - mean) / std;
  }
  return tensor("float32", [1, p.channels, p.height, p.width], features);
}

async function decode(
  file: Bytes,
  { fit, background, channels }: Image,
  { width, height }: Pick<Picture, "width" | "height">,
  at: string,
): Promise<Picture> {
  // Loaded when the first picture comes: a board that only listens is spared the library's memory.
  const { default: sharp } = await import("sharp");
  try {
    const picture = sharp(file.subarray(0, file.length), { failOn: "truncated", limitInputPixels: MAX_PIXELS });
    // Of what sharp could read besides, some comes from programs rather than cameras, and is a program itself (SVG).
    const { format } = await picture.metadata();
    if (!Object.values(FORMATS).includes(format)) throw new Error(`a picture of format ${format}`);
    const pixels = await picture
      .autoOrient()
      .flatten({ background: BACKGROUNDS[background] })
      .resize(width, height, { fit: FITS[fit], position: "centre", background: BACKGROUNDS[background] })
      .toColourspace(channels === 1 ? "b-w" : "srgb")
      .raw({ depth: "uchar" })
      .toBuffer();
    return { width, height, channels, pixels };
  } catch (cause) {
    throw new LichenError("BAD_IMAGE", { at, found: cause instanceof Error ? cause.message : String(cause), cause });
  }
}
