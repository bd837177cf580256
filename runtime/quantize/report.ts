import { isDequantize, linksOf } from "../normalize/qdq/links.ts";
import type { Node, ValueName } from "../onnx/graph.ts";
import type { CalibrationMethod } from "./calibration/ranges.ts";
import type { Candidate } from "./candidates.ts";
import type { ComparedLayer } from "./layers-alone.ts";
import type { LayerNoise } from "./noise.ts";
import { ruleOf } from "./rules.ts";
import type { Target } from "./targets.ts";

/** What quantizing did to a model, measured. */
export interface QuantizationReport {
  method: CalibrationMethod;
  /** Pairs of layers that were equalized. */
  equalizedPairs: number;
  biasesCorrected: boolean;
  target: Target;
  /** Weights reach from −limit to limit. */
  weightLimit: number;
  samples: { calibration: number; heldOut: number };
  /** What was tried, where something was chosen: how near the answers are to the float model's, in dB, on held-out samples. */
  candidates: readonly { method: CalibrationMethod; equalized: boolean; decibels: number }[];
  /** The same for the model that came of it. */
  outputDecibels: number;
  /** In the order of the graph. */
  layers: readonly LayerNoise[];
  /** What stayed in float, and why. */
  float: readonly FloatNode[];
  bytes: { before: number; after: number };
}

export interface FloatNode {
  name: string;
  operator: string;
  /** No integer form; asked for; only leads to the answers; was in the model like this. */
  why: "no-rule" | "asked" | "end" | "given";
}

/** The layers of a candidate that can be compared, and the float values behind the codes of its quantized graph. */
export function comparedLayers({ graph, plan, codes }: Pick<Candidate, "graph" | "plan" | "codes">): {
  layers: ComparedLayer[];
  reals: ReadonlyMap<ValueName, ValueName>;
} {
  const layers = graph.nodes.flatMap((node): ComparedLayer[] => {
    const treatment = plan.treatments.get(node)!;
    if (treatment.tag !== "weighted" && treatment.tag !== "computes") return [];
    const value = treatment.y?.[0] ?? node.outputs[0]!;
    return [{ name: node.name, operator: node.opType, value, codes: treatment.y ? codes.get(value)! : null }];
  });
  return { layers, reals: new Map([...codes].map(([value, quantized]) => [quantized, value])) };
}

/** What computes real numbers in the float graph and still does. Shapes and indices are no loss. */
export function floatNodes(
  { graph, plan, probed }: Pick<Candidate, "graph" | "plan" | "probed">,
  stays: (node: Node) => boolean,
): FloatNode[] {
  const links = linksOf(graph);
  return graph.nodes.flatMap((node): FloatNode[] => {
    const isReal = node.outputs.some((name) => probed.get(name)?.type === "float32");
    if (plan.treatments.get(node)!.tag !== "float" || !isReal || isDequantize(node)) return [];
    const isGiven = node.inputs.some((name) => isDequantize(links.producer(name)));
    const why = stays(node) ? "asked" : isGiven ? "given" : ruleOf(node, graph) ? "end" : "no-rule";
    return [{ name: node.name, operator: [node.domain, node.opType].filter(Boolean).join("."), why }];
  });
}
