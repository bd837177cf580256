import { int64 } from "../../onnx/tensor.ts";
import type { Rule } from "../lowering.ts";

const reduce =
  (opType: string): Rule =>
  ({ inputs, outputs, options }, lowering) => {
    const output = outputs[0]!;
    const name = lowering.name(output);
    const { shape } = lowering.tensor(inputs[0]!);
    const axes = new Set(lowering.integers(inputs[1]!).map((axis) => (axis < 0 ? axis + shape.length : axis)));
    const keeps = options.keep_dims === true;
    const value = lowering.value(inputs[0]!);
    const isPlaces = opType === "ReduceMean" && shape.length === 4 && [...axes].sort().join() === "1,2";
    if (isPlaces && shape[0] === 1) {
      // There is an integer kernel for this one.
      const x = lowering.picture(inputs[0]!);
      const mean = lowering.b.add("GlobalAveragePool", [x.name], {}, name);
      const picture = lowering.fromPicture(mean, [x.sample[0]!, 1, 1]);
      return lowering.give(
        output,
        keeps ? picture : lowering.shaped(picture, lowering.tensor(output).shape, `${name}_flat`),
      );
    }
    // The batch of one is its own mean, sum and extreme.
    const left = [...axes].filter((axis) => !(value.own && axis === 0)).sort((a, b) => a - b);
    const own = value.own && (keeps || !axes.has(0));
    const kept = lowering.tensor(output).shape;
    const sample = own ? kept.slice(1) : kept;
    if (left.length === 0) return lowering.same(output, lowering.resized(value, sample, own, name));
    const at = lowering.b.constant(`${name}_axes`, int64(left.map((axis) => lowering.axis(value, axis))));
    const y = lowering.b.add(opType, [value.name, at], { keepdims: keeps ? 1 : 0 }, name);
    lowering.give(output, { name: y, sample, own });
  };

export const REDUCTION_RULES: Readonly<Record<string, Rule>> = {
  MEAN: reduce("ReduceMean"),
  REDUCE_MAX: reduce("ReduceMax"),
  REDUCE_MIN: reduce("ReduceMin"),
  REDUCE_PROD: reduce("ReduceProd"),
  SUM: reduce("ReduceSum"),
};
