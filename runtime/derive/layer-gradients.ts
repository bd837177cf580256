import { GRADIENTS } from "../gradients/index.ts";
import { sumOver } from "../gradients/rule.ts";
import type { Layer, Operand } from "../integer/layers.ts";
import { dequantizeNode } from "../integer/quantized.ts";
import type { LayerGradients } from "../methods/method.ts";
import { attribute } from "../onnx/attributes.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { Node, ValueName } from "../onnx/graph.ts";
import { int64 } from "../onnx/tensor.ts";
import type { ValueType } from "../shapes/rule.ts";
import type { AdaptedLayer } from "./forward.ts";

/** What the gradients of a layer's parameters are made from. @param dy gradient of the loss at the layer's output in real numbers */
export function layerGradients(
  b: GraphBuilder,
  { layer, change }: Pick<AdaptedLayer, "layer" | "change">,
  dy: ValueName,
  type: (name: ValueName) => ValueType,
): LayerGradients {
  const { node } = layer;
  const outputShape = layer.shape;
  const channelAxis = layer.outputAxis < 0 ? outputShape.length + layer.outputAxis : layer.outputAxis;
  const factor = change.scale;
  // y = f·(W·x) + b: what reaches the product comes through the factor.
  const atProduct = once(() =>
    factor ? b.add("Mul", [dy, alongAxis(b, factor, channelAxis, outputShape.length)]) : dy,
  );

  return {
    get dy() {
      return atProduct();
    },
    outputShape,

    weight(channels) {
      const part = channels && channels.length < layer.outChannels ? channels : null;
      return part ? channelGradient(part) : gradientOf(node, atProduct(), type, layer.weight!.at);
    },

    bias(channels) {
      const whole = gradientOf(node, dy, type, layer.bias!.at);
      return channels ? b.add("Gather", [whole, b.constant("channels", int64(channels))], { axis: 0 }) : whole;
    },

    // y = f·z + b, so that ∂L/∂f = Σ dy·z = Σ dy·(y − b) / f: the output, which is at hand, says what the input would.
    scale() {
      const y = realOutput(b, layer);
      const bias = layer.bias && node.inputs[layer.bias.at]!;
      const product = bias ? b.add("Sub", [y, alongAxis(b, bias, channelAxis, outputShape.length)]) : y;
      const axes = outputShape.map((_, axis) => axis).filter((axis) => axis !== channelAxis);
      const sum = sumOver(b, b.add("Mul", [dy, product]), axes, 0);
      return factor ? b.add("Div", [sum, factor]) : sum;
    },

    weightOf: (dims, dyOf) => virtual(dims, outputShape, {}).weight(dyOf),

    outputOf(weight) {
      const name = b.fresh(`${node.name}_projection`);
      b.adopt({ ...node, name, inputs: [node.inputs[0]!, weight], outputs: [name] });
      return name;
    },
  };

  function gradientOf(of: Node, dyOf: ValueName, typeOf: (name: ValueName) => ValueType, at: number): ValueName {
    return GRADIENTS[of.opType]!({ b, node: of, dy: dyOf, dys: [dyOf], type: typeOf })[at]!();
  }

  /** A node like the layer's, with a weight that only has dims: its gradient needs no more. */
  function virtual(dims: readonly number[], shape: ValueType["shape"], other: { x?: ValueName; group?: number }) {
    const x = other.x ?? node.inputs[0]!;
    const types = new Map<ValueName, ValueType>([
      ["weight", { type: "float32", shape: dims }],
      [node.outputs[0]!, { type: "float32", shape }],
    ]);
    if (other.x) types.set(other.x, { type: "float32", shape: type(node.inputs[0]!).shape.with(1, dims[0]!) });
    const like: Node = {
      ...node,
      inputs: [x, "weight"],
      attributes: { ...node.attributes, ...(other.group && { group: { kind: "int", value: other.group } }) },
    };
    return { weight: (dyOf: ValueName) => gradientOf(like, dyOf, (name) => types.get(name) ?? type(name), 1) };
  }

  /** Of chosen output channels only: their dy, and of a depthwise layer their inputs. */
  function channelGradient(channels: readonly number[]): ValueName {
    const { dims } = layer.weight as Operand;
    const indices = b.constant("channels", int64(channels));
    const group = attribute(node, "group", "int", 1);
    const gathered = (value: ValueName, axis: number) => b.add("Gather", [value, indices], { axis });
    if (group > 1 && (group !== layer.outChannels || dims[1] !== 1)) {
      return gathered(gradientOf(node, atProduct(), type, layer.weight!.at), layer.weightAxis);
    }
    const some = dims.with(layer.weightAxis, channels.length);
    const depthwise = group > 1 ? { x: gathered(node.inputs[0]!, 1), group: channels.length } : {};
    const shape = outputShape.with(channelAxis, channels.length);
    return virtual(some, shape, depthwise).weight(gathered(atProduct(), channelAxis));
  }
}

/** The output as a real number: dequantized where only the integer is ever made. */
export function realOutput(b: GraphBuilder, { node, output, integer }: Layer): ValueName {
  if (!integer || !output) return node.outputs[0]!;
  const [, scale, zeroPoint] = output.inputs as [ValueName, ValueName, ValueName];
  const operand = { quantized: output.outputs[0]!, scale, zeroPoint };
  const dequantize = dequantizeNode(b.fresh(`${node.name}_output`), operand, 0);
  b.adopt(dequantize);
  return dequantize.outputs[0]!;
}

/** [O] → broadcasts along one axis of a value of the given rank. */
function alongAxis(b: GraphBuilder, value: ValueName, axis: number, rank: number): ValueName {
  if (axis === rank - 1) return value;
  const shape = Array.from({ length: rank }, (_, at) => (at === axis ? -1 : 1));
  return b.add("Reshape", [value, b.constant("shape", int64(shape))]);
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
