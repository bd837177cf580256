import { isDequantize, linksOf } from "../normalize/qdq/links.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import type { Probed } from "./probe.ts";
import { activationOperands, clipFromZero, type Rule, ruleOf, writesReal } from "./rules.ts";

/** What is done with a node. */
export type Treatment =
  | { tag: "float" }
  /** A clip that the ends of the quantized range in front of it take over. */
  | { tag: "folded" }
  /** `y` are the values quantized behind it, one for each output; null where they stay real numbers. */
  | { tag: Rule; y: readonly ValueName[] | null };

/** Which nodes and values of a float graph are quantized. Nothing in it depends on calibration. */
export interface Plan {
  treatments: ReadonlyMap<Node, Treatment>;
  /** Every quantized value, with the one whose codes it passes on; itself where it is computed. In the order of their appearance. */
  origins: ReadonlyMap<ValueName, ValueName>;
  /** Values that end a clip from zero, and its upper end: their lowest code must stand for zero. */
  clips: ReadonlyMap<ValueName, number>;
}

/**
 * Quantizes all that the rules know, but for what only leads to real numbers: the last layers before a result gain nothing from codes.
 * @param stays whether a node is to stay in float
 */
export function planQuantization(
  graph: Graph,
  probed: ReadonlyMap<ValueName, Probed>,
  stays: (node: Node) => boolean,
): Plan {
  const links = linksOf(graph);
  const { initializers } = graph;
  const isReal = (name: ValueName) => probed.get(name)?.type === "float32";
  const isActivation = (name: ValueName) => !initializers.has(name);
  const activationsOf = (node: Node) => activationOperands(node).filter(isActivation);

  const rules = new Map<Node, Rule>();
  for (const node of graph.nodes) {
    const rule = stays(node) ? undefined : ruleOf(node, graph);
    const reads = activationsOf(node);
    const isOpen = reads.length > 0 && !node.inputs.some((name) => isDequantize(links.producer(name)));
    const written = node.outputs.filter(Boolean);
    if (rule && isOpen && [...activationOperands(node), ...written].every(isReal)) rules.set(node, rule);
  }

  // From the end on: who reads a value is known before who writes it.
  const isWanted = (value: ValueName) =>
    links.users(value).some((user) => rules.has(user) && activationsOf(user).includes(value));
  const folded = new Map<Node, Node>();
  for (const node of graph.nodes.toReversed()) {
    const rule = rules.get(node);
    if (!rule) continue;
    const clip = rule === "weighted" || rule === "computes" ? clipBehind(node) : undefined;
    const needsCodes = rule === "weighted" && !writesReal(node);
    if (clip && (needsCodes || rules.has(clip))) folded.set(node, clip);
    if (rule !== "weighted" && !node.outputs.some(isWanted)) rules.delete(node);
  }

  const treatments = new Map<Node, Treatment>();
  const origins = new Map<ValueName, ValueName>();
  const clips = new Map<ValueName, number>();
  const taken = new Set<Node>();
  for (const node of graph.nodes) {
    const rule = rules.get(node);
    if (taken.has(node)) treatments.set(node, { tag: "folded" });
    else if (!rule) treatments.set(node, { tag: "float" });
    else {
      for (const value of activationsOf(node)) if (!origins.has(value)) origins.set(value, value);
      const clip = folded.get(node);
      const y = clip ? clip.outputs : node.outputs;
      const quantizes = clip !== undefined || !writesReal(node) || isWanted(node.outputs[0]!);
      treatments.set(node, { tag: rule, y: quantizes ? y : null });
      if (clip) {
        taken.add(clip);
        clips.set(clip.outputs[0]!, clipFromZero(clip, initializers)!);
      }
      for (const value of quantizes ? y.filter(Boolean) : []) {
        origins.set(value, rule === "passes" ? origins.get(node.inputs[0]!)! : value);
      }
    }
  }
  return { treatments, origins, clips };

  /** The clip that alone reads what a node writes. */
  function clipBehind(node: Node): Node | undefined {
    const [user, ...others] = links.users(node.outputs[0]!);
    if (!user || others.length > 0 || links.isResult(node.outputs[0]!) || stays(user)) return undefined;
    return clipFromZero(user, initializers) === undefined ? undefined : user;
  }
}
