import type { Graph, Node, ValueName } from "../../onnx/graph.ts";
import { float32, int32, type Tensor, tensor } from "../../onnx/tensor.ts";
import { codeLimits, quantized, roundToEven } from "./codes.ts";
import { isDequantize, linksOf, uniqueNames } from "./links.ts";

/**
 * Real weights behind quantized inputs become int8: ONNX Runtime does that when it loads such a model, to one scale and zero point for
 * all channels, and would do it to whatever was trained. What has been quantized before is left alone, by it and by all behind this.
 * @see onnxruntime/core/optimizer/qdq_transformer/weight_bias_quantization.cc
 */
export function quantizeBareWeights(graph: Graph): Graph {
  const links = linksOf(graph);
  const unique = uniqueNames(graph);
  const initializers = new Map(graph.initializers);
  const add = (name: string, value: Tensor): ValueName => {
    const fresh = unique(name);
    initializers.set(fresh, value);
    return fresh;
  };
  const dequantizeNode = (name: string, codes: Tensor, scale: number, zeroPoint: Tensor): Node => ({
    name: unique(name),
    opType: "DequantizeLinear",
    domain: "",
    inputs: [
      add(`${name}_quantized`, codes),
      add(`${name}_scale`, float32([], [scale])),
      add(`${name}_zero_point`, zeroPoint),
    ],
    outputs: [unique(`${name}_real`)],
    attributes: {},
  });
  const real = (name: ValueName | undefined) => {
    const constant = initializers.get(name ?? "");
    return constant?.type === "float32" ? constant : undefined;
  };

  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (!QUANTIZED_AT_LOAD.has(node.opType) || node.domain !== "") return [node];
    const [input, weightName, biasName = ""] = node.inputs;
    const [dequantize, behind] = [links.producer(input!), links.producer(weightName!)];
    const xScale = isDequantize(dequantize) ? real(dequantize.inputs[1]) : undefined;
    const bias = real(biasName);
    if (xScale?.data.length !== 1 || (biasName !== "" && bias?.dims.length !== 1)) return [node];
    const bare = real(weightName);
    const weight = bare && quantizedWhole(bare);
    const known = isDequantize(behind) ? real(behind.inputs[1]) : undefined;
    const weightScale = weight?.scale ?? (known?.data.length === 1 ? (known.data[0] as number) : undefined);
    if (weightScale === undefined) return [node];

    const before: Node[] = [];
    let { inputs } = node;
    if (weight) {
      before.push(dequantizeNode(`${node.name}_weight`, weight.codes, weight.scale, weight.zeroPoint));
      inputs = inputs.with(1, before[0]!.outputs[0]!);
    }
    // The biases of other layers become integers with the rest of their form.
    if (bias && node.opType === "ConvTranspose") {
      const scale = Math.fround((xScale.data[0] as number) * weightScale);
      const codes = Array.from(bias.data as Float32Array, (value) => roundToEven(Math.fround(value / scale)));
      const zero = int32([], [0]);
      before.push(dequantizeNode(`${node.name}_bias`, int32(bias.dims, codes), scale, zero));
      inputs = inputs.with(2, before.at(-1)!.outputs[0]!);
    }
    return [...before, { ...node, inputs }];
  });
  return { ...graph, nodes, initializers };
}

const QUANTIZED_AT_LOAD: ReadonlySet<string> = new Set(["Conv", "ConvTranspose", "Gemm"]);

/** int8 at one scale, so laid that it holds the least, the greatest, and zero. @see onnxruntime GetQuantizationParameter */
function quantizedWhole({ dims, data }: Tensor): { codes: Tensor; scale: number; zeroPoint: Tensor } {
  const values = data as Float32Array;
  const least = values.reduce((least, value) => Math.min(least, value), 0);
  const greatest = values.reduce((greatest, value) => Math.max(greatest, value), 0);
  const [low, high] = codeLimits.int8;
  const scale = least === greatest ? 1 : Math.fround(Math.fround(greatest - least) / (high - low));
  const zero = roundToEven(Math.min(high, Math.max(low, Math.fround(low - Math.fround(least / scale)))));
  const codes = Int8Array.from(values, (value) => quantized(value, scale, zero, "int8"));
  return { codes: tensor("int8", dims, codes), scale, zeroPoint: tensor("int8", [], Int8Array.of(zero)) };
}
