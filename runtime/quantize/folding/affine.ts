import { linksOf } from "../../normalize/qdq/links.ts";
import { attribute } from "../../onnx/attributes.ts";
import type { Graph, Node, ValueName } from "../../onnx/graph.ts";
import { elementCount, float32, type Tensor } from "../../onnx/tensor.ts";
import { growingConstants } from "../constants.ts";
import { outputChannels, type Parameters, parametersOf, scaled, takesBias, withParameters } from "../layers.ts";
import type { Probed } from "../probe.ts";

/** y = factor · x + shift, for each channel. */
interface Affine {
  factor: Float64Array;
  shift: Float64Array;
}

/**
 * Batch normalization, and sums and products with one constant per channel, become part of the layer in front of them. A batch
 * normalization without one becomes a depthwise convolution over one pixel, which has an integer kernel.
 */
export function foldAffine(graph: Graph, probed: ReadonlyMap<ValueName, Probed>): Graph {
  const links = linksOf(graph);
  const { initializers, constant } = growingConstants(graph);
  const nodes: Node[] = [];
  /** Where the layer that writes a value stands in `nodes`, as it is by now. */
  const layers = new Map<ValueName, number>();

  for (const node of graph.nodes) {
    const [x, y] = [operandOf(node), node.outputs[0]!];
    const dims = probed.get(x ?? "")?.dims;
    const affine = x !== undefined && dims && affineOf(node, x, dims);
    const at = x === undefined ? undefined : layers.get(x);
    const parameters = at === undefined ? undefined : parametersOf({ initializers }, nodes[at]!);
    const onlyReader = x !== undefined && links.users(x).length === 1 && !links.isResult(x);
    if (affine && at !== undefined && parameters && onlyReader && folds(nodes[at]!, parameters, affine, dims)) {
      nodes[at] = { ...withParameters(nodes[at]!, moved(parameters, affine), constant), outputs: [y] };
      layers.set(y, at);
    } else if (affine && node.opType === "BatchNormalization" && dims.length > 2) {
      nodes.push(depthwise(node, affine, dims));
      layers.set(y, nodes.length - 1);
    } else {
      nodes.push(node);
      if (parametersOf({ initializers }, node)) layers.set(y, nodes.length - 1);
    }
  }
  return { ...graph, nodes, initializers };

  /** The computed operand, where there is one alone. */
  function operandOf({ opType, domain, inputs }: Node): ValueName | undefined {
    if (domain !== "" || !Object.hasOwn(AFFINE, opType)) return undefined;
    const computed = inputs.filter((name) => !initializers.has(name));
    return computed.length === 1 ? computed[0] : undefined;
  }

  function affineOf(node: Node, x: ValueName, dims: readonly number[]): Affine | undefined {
    const constants = node.inputs.flatMap((name) => (name === x ? [] : [initializers.get(name)!]));
    if (!constants.every(({ type }) => type === "float32")) return undefined;
    return AFFINE[node.opType]!(node, constants, dims, node.inputs[0] === x);
  }

  /** [C, 1, 1…] over [N, C, …] */
  function depthwise(node: Node, { factor, shift }: Affine, dims: readonly number[]): Node {
    const channels = factor.length;
    const pixel = dims.slice(2).map(() => 1);
    return {
      ...node,
      opType: "Conv",
      inputs: [
        node.inputs[0]!,
        constant(`${node.name}_weight`, float32([channels, 1, ...pixel], factor)),
        constant(`${node.name}_bias`, float32([channels], shift)),
      ],
      outputs: [node.outputs[0]!],
      attributes: { group: { kind: "int", value: channels }, kernel_shape: { kind: "ints", value: pixel } },
    };
  }
}

/** A product of matrices has no place for what is added, and its channels come second only where there are no more than two axes. */
const folds = (layer: Node, { bias }: Parameters, { factor, shift }: Affine, dims: readonly number[]): boolean =>
  factor.length === bias.length && (takesBias(layer) || (dims.length === 2 && shift.every((value) => value === 0)));

const moved = (parameters: Parameters, { factor, shift }: Affine): Pick<Parameters, "weight" | "bias"> => ({
  weight: scaled(parameters, outputChannels(parameters), factor),
  bias: parameters.bias.map((value, channel) => value * factor[channel]! + shift[channel]!),
});

type AffineRule = (node: Node, constants: Tensor[], dims: readonly number[], isFirst: boolean) => Affine | undefined;

/** One constant operand, as a factor or a shift. */
const single =
  (affine: (value: number, isFirst: boolean) => { factor?: number; shift?: number }): AffineRule =>
  (_, [value], dims, isFirst) => {
    const perChannel = value && channelValues(value, dims);
    if (!perChannel) return undefined;
    const found = Array.from(perChannel, (each) => affine(each, isFirst));
    return {
      factor: Float64Array.from(found, ({ factor }) => factor ?? 1),
      shift: Float64Array.from(found, ({ shift }) => shift ?? 0),
    };
  };

const AFFINE: Readonly<Record<string, AffineRule>> = {
  /** @see ONNX BatchNormalization-15 */
  BatchNormalization(node, [gamma, beta, mean, variance]) {
    if (!variance || attribute(node, "training_mode", "int", 0) !== 0) return undefined;
    const epsilon = attribute(node, "epsilon", "float", 1e-5);
    const of = (value: Tensor) => value.data as Float32Array;
    const factor = Float64Array.from(
      of(gamma!),
      (value, channel) => value / Math.sqrt(of(variance)[channel]! + epsilon),
    );
    return {
      factor,
      shift: Float64Array.from(of(beta!), (value, channel) => value - of(mean!)[channel]! * factor[channel]!),
    };
  },
  Add: single((value) => ({ shift: value })),
  Mul: single((value) => ({ factor: value })),
  /** Only what subtracts from a constant is left as a Sub. */
  Sub: single((value, isFirst) => (isFirst ? { shift: -value } : { factor: -1, shift: value })),
};

/** A constant that differs, if at all, between the channels of [N, C, …], as one number for each of them. */
function channelValues({ dims, data }: Tensor, of: readonly number[]): Float64Array | undefined {
  const channels = of[1];
  if (channels === undefined || dims.length > of.length) return undefined;
  const values = data as Float32Array;
  if (values.length === 1) return new Float64Array(channels).fill(values[0]!);
  const aligned = [...Array.from({ length: of.length - dims.length }, () => 1), ...dims];
  return aligned[1] === channels && elementCount(aligned) === channels ? Float64Array.from(values) : undefined;
}
