import { LichenError } from "../errors.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { Node, ValueName } from "../onnx/graph.ts";
import type { ValueType } from "../shapes/rule.ts";
import { GRADIENTS } from "./index.ts";
import type { GradientContext } from "./rule.ts";

export interface BackwardOptions {
  /** Forward nodes in topological order, from the frontier to the loss. */
  nodes: readonly Node[];
  type(name: ValueName): ValueType;
  /** Values whose gradients are known: usually the logits alone. */
  seeds: ReadonlyMap<ValueName, ValueName>;
  /** Values whose gradients are asked for. Only paths between these and the seeds are differentiated. */
  wanted: readonly ValueName[];
}

/**
 * Reverse-mode differentiation: adds the backward nodes to `b` and returns the gradient of each wanted value.
 * @throws NO_GRADIENT before anything runs, naming operator and node, when a rule is missing on the way or nothing leads to a wanted value.
 */
export function backward(b: GraphBuilder, options: BackwardOptions): Map<ValueName, ValueName> {
  const { nodes, type, seeds, wanted } = options;
  const depends = dependents(nodes, wanted);
  const parts = new Map<ValueName, ValueName[]>([...seeds].map(([value, gradient]) => [value, [gradient]]));

  for (const node of nodes.toReversed()) {
    const contributions = node.outputs.map((output) => parts.get(output));
    if (!contributions.some(Boolean) || !node.inputs.some((input) => depends.has(input))) continue;
    const rule = Object.hasOwn(GRADIENTS, node.opType) && node.domain === "" ? GRADIENTS[node.opType] : undefined;
    if (rule === undefined) throw missing(node);
    if (rule === null) continue;
    const dys = contributions.map((gradients) => gradients && total(b, gradients));
    for (const [at, dy] of dys.entries()) if (dy) parts.set(node.outputs[at]!, [dy]);
    rule(contextOf(b, node, dys, type)).forEach((gradient, at) => {
      const input = node.inputs[at];
      if (!gradient || !input || !depends.has(input)) return;
      parts.set(input, [...(parts.get(input) ?? []), gradient()]);
    });
  }

  return new Map(
    wanted.map((value) => {
      const contributions = parts.get(value);
      if (!contributions)
        throw new LichenError("NO_GRADIENT", { at: `value ${value}`, found: "no way from it to the loss" });
      return [value, total(b, contributions)];
    }),
  );
}

/** The wanted values and everything computed from them. */
export function dependents(nodes: readonly Node[], wanted: readonly ValueName[]): Set<ValueName> {
  const found = new Set(wanted);
  for (const node of nodes) {
    if (node.inputs.some((input) => found.has(input))) for (const output of node.outputs) found.add(output);
  }
  return found;
}

/** A rule that knows of one output alone reads `dy`, and must not be asked about the others. */
const contextOf = (
  b: GraphBuilder,
  node: Node,
  dys: GradientContext["dys"],
  type: BackwardOptions["type"],
): GradientContext => ({
  b,
  node,
  dys,
  type,
  get dy() {
    const [first, ...others] = dys;
    if (first && !others.some(Boolean)) return first;
    throw new LichenError("NO_GRADIENT", {
      at: `node ${node.name}`,
      found: `${node.opType}, of which a side output leads to the loss`,
      wanted: "its first output alone",
    });
  },
});

const total = (b: GraphBuilder, parts: readonly ValueName[]): ValueName =>
  parts.reduce((sum, part) => b.add("Add", [sum, part]));

const missing = (node: Node): LichenError =>
  new LichenError("NO_GRADIENT", {
    at: `node ${node.name}`,
    found: [node.domain, node.opType].filter(Boolean).join("."),
    wanted: Object.keys(GRADIENTS).join(", "),
  });
