import { int64 } from "../../onnx/tensor.ts";
import type { Rule } from "../lowering.ts";
import type { TfliteOperator } from "../model.ts";

const resize =
  (attributes: (options: TfliteOperator["options"]) => Record<string, string>): Rule =>
  ({ inputs, outputs, options }, lowering) => {
    const output = outputs[0]!;
    const name = lowering.name(output);
    const x = lowering.picture(inputs[0]!);
    const [, h, w, c] = lowering.tensor(output).shape as [number, number, number, number];
    const sizes = lowering.b.constant(`${name}_sizes`, int64([h, w]));
    const y = lowering.b.add("Resize", [x.name, "", "", sizes], { ...attributes(options), axes: [2, 3] }, name);
    lowering.give(output, lowering.fromPicture(y, [c, h, w]));
  };

const coordinates = ({ align_corners, half_pixel_centers }: TfliteOperator["options"]): string =>
  align_corners ? "align_corners" : half_pixel_centers ? "half_pixel" : "asymmetric";

/** @see tensorflow/lite/kernels/internal/reference/resize_nearest_neighbor.h */
const nearest = (options: TfliteOperator["options"]): Record<string, string> => ({
  mode: "nearest",
  coordinate_transformation_mode: coordinates(options),
  nearest_mode: options.align_corners || options.half_pixel_centers ? "round_prefer_ceil" : "floor",
});

const bilinear = (options: TfliteOperator["options"]): Record<string, string> => ({
  mode: "linear",
  coordinate_transformation_mode: coordinates(options),
});

export const RESIZE_RULES: Readonly<Record<string, Rule>> = {
  RESIZE_BILINEAR: resize(bilinear),
  RESIZE_NEAREST_NEIGHBOR: resize(nearest),
};
