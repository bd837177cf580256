import { LichenError } from "../errors.ts";
import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { Dim, ValueName } from "../onnx/graph.ts";
import { elementCount, float32, int64 } from "../onnx/tensor.ts";
import { axisOf, noShape } from "../shapes/rule.ts";
import { type GradientRule, number, once, reshapeTo, sumOver, sumTo } from "./rule.ts";

/**
 * Y = scale·(x − mean)/√(var + ε) + bias with the statistics of long ago, which have no gradient. x: [N, C, …]; the others: [C].
 * @see ONNX BatchNormalization-15
 */
export const batchNormalization: GradientRule = ({ b, node, dy, type }) => {
  if (attribute(node, "training_mode", "int", 0) !== 0) {
    throw new LichenError("NO_GRADIENT", {
      at: `node ${node.name}`,
      found: "BatchNormalization in training mode",
      wanted: "its inference form",
    });
  }
  const [x, scale, , mean, variance] = node.inputs as [ValueName, ValueName, ValueName, ValueName, ValueName];
  const rank = type(x).shape.length;
  const others = [...Array(rank).keys()].filter((axis) => axis !== 1);
  // [C]; a constant, as are the products with it, for folding to find.
  const inverse = once(() => {
    const deviation = b.add("Sqrt", [b.add("Add", [variance, number(b, attribute(node, "epsilon", "float", 1e-5))])]);
    return b.add("Reciprocal", [deviation]);
  });
  return [
    () => b.add("Mul", [dy, overChannels(b, b.add("Mul", [scale, inverse()]), rank)]),
    () => {
      const centred = b.add("Sub", [x, overChannels(b, mean, rank)]);
      return b.add("Mul", [sumOver(b, b.add("Mul", [dy, centred]), others, 0), inverse()]);
    },
    () => sumOver(b, dy, others, 0),
    null,
    null,
  ];
};

/** Y = scale·x̂ + bias, with x̂ normalised over the axes from `axis` on; scale and bias broadcast. @see Ba et al. 2016, arXiv:1607.06450 */
export const layerNormalization: GradientRule = ({ b, node, dy, type }) => {
  const [x, scale, bias] = node.inputs as [ValueName, ValueName, ValueName?];
  const { shape } = type(x);
  const axis = axisOf(attribute(node, "axis", "int", -1), shape.length, node);
  const axes = [...shape.keys()].slice(axis);
  const sizes = shape.slice(axis).map((size) => {
    if (typeof size === "number") return size;
    throw noShape(node, `[${shape}] normalised over ${size}`, "fixed sizes there");
  });
  // ONNX Runtime's own kernel gives x̂ and the inverse deviation in one pass.
  const normalised = once((): Normalised => {
    const ones = b.constant("ones", float32(sizes, new Float32Array(elementCount(sizes)).fill(1)));
    const epsilon = { float: attribute(node, "epsilon", "float", 1e-5) };
    const [value, , inverse] = b.addMany("LayerNormalization", [x, ones], 3, { axis, epsilon });
    return { value: value!, inverse: inverse!, axes };
  });
  return [
    () => throughNormalisation(b, normalised(), b.add("Mul", [dy, scale])),
    () => sumTo(b, b.add("Mul", [dy, normalised().value]), shape, type(scale).shape),
    () => sumTo(b, dy, shape, type(bias!).shape),
  ];
};

/** The same over the spatial axes of each sample and channel. x: [N, C, …]; scale, bias: [C]. @see Ulyanov et al. 2016, arXiv:1607.08022 */
export const instanceNormalization: GradientRule = ({ b, node, dy, type }) => {
  const [x, scale] = node.inputs as [ValueName, ValueName];
  const rank = type(x).shape.length;
  const axes = [...Array(rank).keys()].slice(2);
  const normalised = once((): Normalised => {
    const centred = b.add("Sub", [x, meanOver(b, x, axes)]);
    const variance = meanOver(b, b.add("Mul", [centred, centred]), axes);
    const deviation = b.add("Sqrt", [b.add("Add", [variance, number(b, attribute(node, "epsilon", "float", 1e-5))])]);
    return { value: b.add("Div", [centred, deviation]), inverse: b.add("Reciprocal", [deviation]), axes };
  });
  return [
    () => throughNormalisation(b, normalised(), b.add("Mul", [dy, overChannels(b, scale, rank)])),
    () => sumOver(b, b.add("Mul", [dy, normalised().value]), [0, ...axes], 0),
    () => sumOver(b, dy, [0, ...axes], 0),
  ];
};

interface Normalised {
  /** x̂ */
  value: ValueName;
  /** 1/√(var + ε), of size one along the axes. */
  inverse: ValueName;
  axes: readonly number[];
}

/** dx = (g − mean g − x̂·mean(g·x̂)) / √(var + ε), g being the gradient of x̂. */
function throughNormalisation(b: GraphBuilder, { value, inverse, axes }: Normalised, g: ValueName): ValueName {
  const along = b.add("Mul", [value, meanOver(b, b.add("Mul", [g, value]), axes)]);
  const rest = b.add("Sub", [b.add("Sub", [g, meanOver(b, g, axes)]), along]);
  return b.add("Mul", [rest, inverse]);
}

const meanOver = (b: GraphBuilder, value: ValueName, axes: readonly number[]): ValueName =>
  b.add("ReduceMean", [value, b.constant("axes", int64(axes))], { keepdims: 1 });

/** [C] → [C, 1, …], to meet [N, C, …]. */
const overChannels = (b: GraphBuilder, value: ValueName, rank: number): ValueName =>
  rank > 2 ? reshapeTo(b, value, ["C", ...Array<Dim>(rank - 2).fill(1)]) : value;
