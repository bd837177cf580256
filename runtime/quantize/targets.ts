import { isDequantize, isQuantize, linksOf } from "../normalize/qdq/links.ts";
import type { Graph, Model, Node, ValueName } from "../onnx/graph.ts";
import { tensor } from "../onnx/tensor.ts";
import { growingConstants } from "./constants.ts";
import { WEIGHT_LIMITS } from "./parameters.ts";

/** What the integer kernels of a machine like. */
interface TargetRow {
  weightLimit: number;
  /** @param model with uint8 activations */
  finish(model: Model): Model;
}

export const TARGETS = {
  /** uint8 by int8; the weights small enough for machines without VNNI, see WEIGHT_LIMITS. */
  x64: { weightLimit: WEIGHT_LIMITS.reduced, finish: (model: Model) => model },
  /** int8 by int8: what the dot products of Arm cores take, which sum in 32 bits and never saturate. */
  arm64: { weightLimit: WEIGHT_LIMITS.full, finish: signedActivations },
} as const satisfies Record<string, TargetRow>;

export type Target = keyof typeof TARGETS;

/** The numbers stay the same: codes and zero points move by 128 together. */
function signedActivations(model: Model): Model {
  return { ...model, graph: signed(model.graph) };
}

function signed(graph: Graph): Graph {
  const links = linksOf(graph);
  const { initializers, constant } = growingConstants(graph);
  const moved = new Map<ValueName, ValueName>();
  const movedConstant = (name: ValueName): ValueName => {
    const known = moved.get(name);
    if (known !== undefined) return known;
    const { dims, data } = initializers.get(name)!;
    const codes = Int8Array.from(data as Uint8Array, (code) => code - 128);
    const fresh = constant(`${name}_signed`, tensor("int8", dims, codes));
    moved.set(name, fresh);
    return fresh;
  };
  /** Weights keep their type: uint8 ones came with the model, for codes that int8 does not hold. */
  const isWeight = (node: Node) =>
    links.users(node.outputs[0]!).some(({ opType, inputs }) => WEIGHTED.has(opType) && inputs[1] === node.outputs[0]);
  const nodes = graph.nodes.map((node): Node => {
    if (!isQuantize(node) && !isDequantize(node)) return node;
    const [x, scale, zeroPoint] = node.inputs as [ValueName, ValueName, ValueName];
    if (initializers.get(zeroPoint)?.type !== "uint8" || (isDequantize(node) && isWeight(node))) return node;
    const stored = isDequantize(node) && initializers.has(x);
    return { ...node, inputs: [stored ? movedConstant(x) : x, scale, movedConstant(zeroPoint)] };
  });
  const read = new Set([...nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.map(({ name }) => name)]);
  const kept = new Map([...initializers].filter(([name]) => !moved.has(name) || read.has(name)));
  return { ...graph, nodes, initializers: kept };
}

const WEIGHTED: ReadonlySet<string> = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul"]);
