import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { distributions, type Pass } from "./calibration/observe.ts";
import { CALIBRATION_METHODS, type CalibrationMethod } from "./calibration/ranges.ts";
import { equalizablePairs, equalized } from "./equalize.ts";
import { type Plan, planQuantization } from "./plan.ts";
import type { Probed } from "./probe.ts";
import { type QuantizedGraph, rewriteQuantized } from "./rewrite.ts";
import { activationScales } from "./scales.ts";

/** What all candidates are made of. */
export interface CandidateBase {
  /** Folded, and not yet equalized. */
  graph: Graph;
  probed: ReadonlyMap<ValueName, Probed>;
  stays: (node: Node) => boolean;
  limit: number;
}

/** One way to quantize a model; its activations are uint8, whatever the target. */
export interface Candidate extends QuantizedGraph {
  method: CalibrationMethod;
  /** How many pairs of layers were equalized; 0 where that was not asked for. */
  equalizedPairs: number;
  /** The float graph behind it. */
  graph: Graph;
  plan: Plan;
  probed: ReadonlyMap<ValueName, Probed>;
  /** How near its answers are to the float model's, once that was measured. */
  decibels?: number;
}

/** Every asked-for combination; the samples are gone through once for each float graph, whatever the number of methods. */
export async function candidatesOf(
  { graph, probed, stays, limit }: CandidateBase,
  { method, equalize }: { method: CalibrationMethod | "auto"; equalize: boolean | "auto" },
  pass: Pass,
): Promise<Candidate[]> {
  const methods = method === "auto" ? (Object.keys(CALIBRATION_METHODS) as CalibrationMethod[]) : [method];
  const pairs = equalize === false ? 0 : equalizablePairs(graph, probed).length;
  const plain = { graph, equalizedPairs: 0 };
  const graphs = [
    ...(equalize === true && pairs > 0 ? [] : [plain]),
    ...(pairs > 0 ? [{ graph: await equalized(graph, probed, pass), equalizedPairs: pairs }] : []),
  ];
  const candidates: Candidate[] = [];
  for (const float of graphs) {
    const plan = planQuantization(float.graph, probed, stays);
    const origins = [...new Set(plan.origins.values())];
    const counted = await distributions(float.graph, origins, probed, pass);
    for (const each of methods) {
      const ranges = new Map([...counted].map(([value, seen]) => [value, CALIBRATION_METHODS[each](seen)]));
      const scales = activationScales(float.graph, plan, ranges);
      candidates.push({ ...float, method: each, plan, probed, ...rewriteQuantized(float.graph, plan, scales, limit) });
    }
  }
  return candidates;
}
