import { attribute } from "../../onnx/attributes.ts";
import type { Node, ValueName } from "../../onnx/graph.ts";
import { float32, int64, type Tensor } from "../../onnx/tensor.ts";
import { type Attributes, float, only, without } from "../attributes.ts";
import { Refusal } from "../refusal.ts";
import type { Rewrite, RewriteContext } from "../rewriting.ts";
import { newAttributes } from "../upgrades/newer.ts";
import { coercedSoftmax } from "../upgrades/softmax.ts";

/*
 * QOperator form: one operator that takes integers with their scales and gives integers. As QDQ it is a float operator between
 * DequantizeLinear and QuantizeLinear with the very same scales and zero points; ONNX Runtime fuses that to the integer operator
 * again, so nothing is lost but the form.
 */

/** Standard ones. */
export const QUANTIZED: Readonly<Record<string, Rewrite>> = {
  QLinearConv: convolution,
  QLinearMatMul: (node, context) =>
    quantizedResult(node, context, "MatMul", operandsAt(node, context, 0, 3), {}, [6, 7]),
};

/** Those of `com.microsoft`. @see ONNX Runtime, docs/ContribOperators.md */
export const CONTRIB_QUANTIZED: Readonly<Record<string, Rewrite>> = {
  DequantizeLinear: (node, context) => newAttributes({ ...node, domain: "" }, context),
  QuantizeLinear: (node, context) => newAttributes({ ...node, domain: "" }, context),

  QGemm: gemm,
  QLinearAdd: (node, context) => quantizedResult(node, context, "Add", operandsAt(node, context, 0, 3), {}, [6, 7]),
  QLinearAveragePool: (node, context) =>
    quantizedResult(node, context, "AveragePool", operandsAt(node, context, 0), channelsFirst(node), [3, 4]),
  QLinearConcat: (node, context) => {
    const at = Array.from({ length: (node.inputs.length - 2) / 3 }, (_, index) => 2 + 3 * index);
    return quantizedResult(node, context, "Concat", operandsAt(node, context, ...at), node.attributes, [0, 1]);
  },
  QLinearConv: convolution,
  QLinearGlobalAveragePool: (node, context) =>
    quantizedResult(node, context, "GlobalAveragePool", operandsAt(node, context, 0), channelsFirst(node), [3, 4]),
  QLinearLeakyRelu: (node, context) => {
    const attributes = { alpha: float(attribute(node, "alpha", "float", 0.01)) };
    return quantizedResult(node, context, "LeakyRelu", operandsAt(node, context, 0), attributes, [3, 4]);
  },
  QLinearMul: (node, context) => quantizedResult(node, context, "Mul", operandsAt(node, context, 0, 3), {}, [6, 7]),
  QLinearReduceMean: (node, context) => {
    const axes = context.builder.constant(`${node.name}_axes`, int64(attribute(node, "axes", "ints")));
    const operands = [...operandsAt(node, context, 0), axes];
    return quantizedResult(node, context, "ReduceMean", operands, only(node, "keepdims"), [3, 4]);
  },
  QLinearSigmoid: (node, context) =>
    quantizedResult(node, context, "Sigmoid", operandsAt(node, context, 0), {}, [3, 4]),
  QLinearSoftmax: (node, context) => {
    const old = attribute(node, "opset", "int") < 13;
    const attributes = only(node, "axis");
    return quantizedResult(
      node,
      context,
      "Softmax",
      operandsAt(node, context, 0),
      attributes,
      [3, 4],
      old ? coercedSoftmax : undefined,
    );
  },
  QLinearWhere: (node, context) =>
    quantizedResult(node, context, "Where", [node.inputs[0]!, ...operandsAt(node, context, 1, 4)], {}, [7, 8]),
};

/** y = Conv(x, w) + b with b in int32 at scale x·w. @see ONNX QLinearConv-10 */
function convolution(node: Node, context: RewriteContext): Node {
  const [weight, wScale] = [node.inputs[3]!, node.inputs[4]!];
  const axis = isVector(context.constant(wScale)) ? 0 : undefined;
  const operands = [
    ...operandsAt(node, context, 0),
    dequantized(node, context, [weight, wScale, node.inputs[5]!], axis),
  ];
  const bias = node.inputs[8] ?? "";
  if (bias !== "") operands.push(integerBias(node, context, bias, node.inputs[1]!, wScale, 1));
  return quantizedResult(node, context, "Conv", operands, channelsFirst(node), [6, 7]);
}

/** y = α · (A · B + C) with C in int32 at scale a·b, so that as Gemm C has the factor α too. */
function gemm(node: Node, context: RewriteContext): Node {
  const transB = attribute(node, "transB", "int", 0);
  const alpha = attribute(node, "alpha", "float", 1);
  const axis = isVector(context.constant(node.inputs[4]!)) ? (transB ? 0 : 1) : undefined;
  const b = dequantized(node, context, [node.inputs[3]!, node.inputs[4]!, node.inputs[5]!], axis);
  const operands = [...operandsAt(node, context, 0), b];
  const bias = node.inputs[6] ?? "";
  if (bias !== "") operands.push(integerBias(node, context, bias, node.inputs[1]!, node.inputs[4]!, alpha));
  const attributes = only(node, "transA", "transB");
  const scaled = alpha === 1 ? attributes : { ...attributes, alpha: float(alpha) };
  if (node.inputs[7]) return quantizedResult(node, context, "Gemm", operands, scaled, [7, 8]);
  return { ...node, opType: "Gemm", domain: "", inputs: operands, attributes: scaled };
}

/** The bias as real numbers: its scale is the product of the others, and only as exactly that float32 will it fuse again. */
function integerBias(
  node: Node,
  context: RewriteContext,
  bias: ValueName,
  x: ValueName,
  w: ValueName,
  alpha: number,
): ValueName {
  const [xScale, wScale] = [x, w].map((name) => context.constant(name));
  if (!xScale || !wScale) throw new Refusal("scales that the model computes", "quantize the model statically");
  const factor = Math.fround(alpha);
  const products = Array.from(wScale.data as Float32Array, (scale) =>
    Math.fround(factor * Math.fround((xScale.data[0] as number) * scale)),
  );
  const { builder } = context;
  const scale = builder.constant(`${node.name}_bias_scale`, float32(wScale.dims, products));
  return builder.add("DequantizeLinear", [bias, scale], isVector(wScale) ? { axis: 0 } : {}, `${node.name}_bias`);
}

/** The real numbers behind the triples (integers, scale, zero point) that begin at these operands. */
const operandsAt = (node: Node, context: RewriteContext, ...positions: readonly number[]): ValueName[] =>
  positions.map((at) => dequantized(node, context, node.inputs.slice(at, at + 3)));

const dequantized = (node: Node, { builder }: RewriteContext, triple: readonly ValueName[], axis?: number): ValueName =>
  builder.add("DequantizeLinear", trimmed(triple), axis === undefined ? {} : { axis }, `${node.name}_real`);

/** The float operator under the old name, and behind it a QuantizeLinear that writes what the old one wrote. */
function quantizedResult(
  node: Node,
  context: RewriteContext,
  opType: string,
  inputs: readonly ValueName[],
  attributes: Attributes,
  [scaleAt, zeroPointAt]: readonly [number, number],
  rewrite: Rewrite = (operator) => operator,
): Node {
  const { builder } = context;
  const real = builder.fresh(`${node.name}_float`);
  builder.adopt(rewrite({ name: node.name, opType, domain: "", inputs, outputs: [real], attributes }, context));
  return {
    name: builder.fresh(`${node.name}_quantize`),
    opType: "QuantizeLinear",
    domain: "",
    inputs: trimmed([real, node.inputs[scaleAt]!, node.inputs[zeroPointAt] ?? ""]),
    outputs: node.outputs,
    attributes: {},
  };
}

function channelsFirst(node: Node): Attributes {
  if (attribute(node, "channels_last", "int", 0) === 1) {
    throw new Refusal("channels in the last axis", "take the model as it was before ONNX Runtime optimized it");
  }
  return without(node, "channels_last");
}

const isVector = (scale: Tensor | undefined): boolean => scale !== undefined && scale.data.length > 1;

const trimmed = (triple: readonly ValueName[]): readonly ValueName[] =>
  triple.at(-1) === "" ? triple.slice(0, -1) : triple;
