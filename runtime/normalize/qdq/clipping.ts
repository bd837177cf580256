import type { Graph, Node, ValueName } from "../../onnx/graph.ts";
import type { Tensor } from "../../onnx/tensor.ts";
import { type CodeType, codeLimits, quantized } from "./codes.ts";
import { isDequantize, isQuantize, linksOf, uniqueNames } from "./links.ts";

/**
 * A Relu or Clip between an operator and its QuantizeLinear keeps the operator in float. Where quantizing clips as much by itself, it
 * goes. Where it clips less, the operator gets a QuantizeLinear of the same scale before the clipping. Both are exact:
 * quantizing is monotone, and quantizing again at one scale changes nothing, so clipping before or behind it is the same.
 */
export function foldClipping(graph: Graph): Graph {
  const links = linksOf(graph);
  const unique = uniqueNames(graph);
  const constant = (name: ValueName | undefined) => graph.initializers.get(name ?? "");
  const onlyUser = (value: ValueName): Node | undefined =>
    links.users(value).length === 1 && !links.isResult(value) ? links.users(value)[0] : undefined;

  const renamed = new Map<ValueName, ValueName>();
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const read = { ...node, inputs: node.inputs.map((name) => renamed.get(name) ?? name) };
    const range = clippedRange(node, constant);
    const quantize = range && onlyUser(node.outputs[0]!);
    const before = range && links.producer(node.inputs[0]!);
    if (!range || !before || !isQuantize(quantize) || onlyUser(node.inputs[0]!) !== node) return [read];
    const clips = clippedCodes(range, constant(quantize.inputs[1]), constant(quantize.inputs[2]));
    if (clips === "none") renamed.set(node.outputs[0]!, read.inputs[0]!);
    if (clips === "none") return [];
    const isInteger = before.inputs.some((name) => isDequantize(links.producer(name)));
    if (clips === "unknown" || !isInteger || isDequantize(before)) return [read];

    const [codes, real] = [unique(`${node.inputs[0]}_quantized`), unique(`${node.inputs[0]}_real`)];
    const [, ...parameters] = quantize.inputs;
    const { attributes } = quantize;
    return [
      { ...quantize, name: codes, inputs: [read.inputs[0]!, ...parameters], outputs: [codes] },
      {
        name: real,
        opType: "DequantizeLinear",
        domain: "",
        inputs: [codes, ...parameters],
        outputs: [real],
        attributes,
      },
      { ...read, inputs: [real, ...read.inputs.slice(1)] },
    ];
  });
  return { ...graph, nodes };
}

interface Range {
  min: number;
  max: number;
}

function clippedRange(node: Node, constant: (name: ValueName | undefined) => Tensor | undefined): Range | undefined {
  if (node.domain !== "") return undefined;
  if (node.opType === "Relu") return { min: 0, max: Number.POSITIVE_INFINITY };
  if (node.opType !== "Clip") return undefined;
  const [, min = "", max = ""] = node.inputs;
  const [low, high] = [constant(min), constant(max)];
  if ((min !== "" && !low) || (max !== "" && !high)) return undefined;
  return {
    min: low ? Number(low.data[0]) : Number.NEGATIVE_INFINITY,
    max: high ? Number(high.data[0]) : Number.POSITIVE_INFINITY,
  };
}

/** Whether clipping to a range leaves codes out that quantizing alone would give. */
function clippedCodes(
  { min, max }: Range,
  scale: Tensor | undefined,
  zeroPoint: Tensor | undefined,
): "none" | "some" | "unknown" {
  if (scale?.data.length !== 1 || zeroPoint?.data.length !== 1 || !(zeroPoint.type in codeLimits)) return "unknown";
  const type = zeroPoint.type as CodeType;
  const code = (value: number) => quantized(value, scale.data[0] as number, zeroPoint.data[0] as number, type);
  const [low, high] = codeLimits[type];
  return code(min) === low && code(max) === high ? "none" : "some";
}
