import type { Tensor } from "../../onnx/tensor.ts";
import type { Random } from "../../random/random.ts";
import type { Picture } from "../picture.ts";
import { colour } from "./colour.ts";
import { crop } from "./crop.ts";
import { cutout } from "./cutout.ts";
import { flip } from "./flip.ts";
import type { AugmentPolicy } from "./policy.ts";
import { disturb, type Stage } from "./stage.ts";

/** On the picture, after the crop has chosen its part. */
const PICTURE: Stage<Picture, "flip" | "colour"> = { flip, colour };

/** On the features. */
const FEATURES: Stage<Tensor<"float32">, "cutout"> = { cutout };

interface Size {
  readonly width: number;
  readonly height: number;
}

/** How large a picture has to be decoded: so large that the smallest part cropped from it still has the model's pixels. */
export function canvasSize({ width, height }: Size, { crop }: AugmentPolicy): Size {
  const scale = crop ? 1 / Math.sqrt(crop.leastArea) : 1;
  return { width: Math.ceil(width * scale), height: Math.ceil(height * scale) };
}

/**
 * Features of a picture as it might have been: crop → flip → colour → normalization → cutout.
 * @param canvas of `canvasSize`.  @param normalize from a picture of the model's size.  @returns [1, channels, height, width]
 */
export function pictureView(
  canvas: Picture,
  size: Size,
  normalize: (picture: Picture) => Tensor<"float32">,
  policy: AugmentPolicy,
  random: Random,
): Tensor<"float32"> {
  const framed = policy.crop ? crop(canvas, size, policy.crop, random) : canvas;
  return disturb(FEATURES, normalize(disturb(PICTURE, framed, policy, random)), policy, random);
}
