import { openSession } from "../execute/session.ts";
import type { Effective } from "../integer/effective.ts";
import type { OperandKind } from "../integer/layers.ts";
import { asModel, GraphBuilder } from "../onnx/builder.ts";
import type { Graph, Model, Node, ValueName } from "../onnx/graph.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { prune } from "../passes/prune.ts";
import { parameterName } from "../plan/parts.ts";
import type { Plan } from "../plan/plan.ts";
import { addAdaptedLayers, withOperands } from "./forward.ts";

const FOLDED: readonly OperandKind[] = ["weight", "bias"];

/**
 * deploy.onnx: the base with the parameters folded in. The same nodes as the base, other constants, and so the same speed; but for
 * modules, which stay nodes of their own. The numbers are computed by the very graph that training computes them with, in ONNX Runtime,
 * and only copied here.
 * @param parameters float32, by the plan's names
 */
export async function deriveDeploy(plan: Plan, parameters: Readonly<Record<string, Tensor>>): Promise<Model> {
  const { base } = plan;
  const folded = await foldParameters(plan, parameters);
  const initializers = new Map(base.graph.initializers);
  // The base may be a deployed model itself, with the names that this gives.
  const names = new GraphBuilder({ source: base.graph });
  for (const { site, parameters: own } of plan.modules)
    for (const { name } of own) initializers.set(parameterName(site, name), parameters[parameterName(site, name)]!);
  const replaced = new Map<Node, Node[]>();
  for (const { layer } of plan.targets) {
    const operands: Partial<Record<OperandKind, Effective>> = {};
    for (const kind of FOLDED) {
      const tensors = folded.get(operandName(layer.name, kind));
      if (!tensors) continue;
      const [quantized, scale, zeroPoint] = tensors.map((value, at) => {
        const name = names.fresh(`${operandName(layer.name, kind)}/${PARTS[at]}`);
        initializers.set(name, value);
        return name;
      }) as [ValueName, ValueName, ValueName];
      operands[kind] =
        tensors.length === 1
          ? { tag: "real", value: quantized }
          : { tag: "quantized", operand: { quantized, scale, zeroPoint } };
    }
    const dequantizers: Node[] = [];
    const adapted = withOperands(
      layer,
      operands,
      (node) => dequantizers.push(node),
      (name) => names.fresh(`${name}_adapted`),
    );
    replaced.set(layer.node, [...dequantizers, adapted.node]);
  }
  const nodes = base.graph.nodes.flatMap((node) => replaced.get(node) ?? [node]);
  const graph: Graph = { ...base.graph, nodes, initializers };
  return asModel(prune(graph), { "lichen.graph": "deploy", "lichen.method": plan.method });
}

const PARTS = ["value", "scale", "zero_point"] as const;

const operandName = (layer: string, kind: OperandKind): string => `${layer}/adapted_${kind}`;

/** Of every operand that the parameters change: its real value, or its quantized one with scale and zero point. */
async function foldParameters(
  plan: Plan,
  parameters: Readonly<Record<string, Tensor>>,
): Promise<Map<string, Tensor[]>> {
  if (plan.targets.length === 0) return new Map();
  const b = new GraphBuilder({ source: plan.base.graph });
  const own = new Set(
    plan.targets.flatMap(({ layer, parts }) =>
      parts.flatMap((part) => part.parameters.map(({ name }) => parameterName(layer, name))),
    ),
  );
  for (const { name, dims } of plan.parameters) if (own.has(name)) b.input(name, "float32", dims);
  const wanted = addAdaptedLayers(b, plan).flatMap(({ target, layer }) =>
    FOLDED.filter((kind) => layer[kind] !== target.layer[kind]).map((kind) => {
      const { at, dequantize } = layer[kind]!;
      // Outputs of their own: a scale that the method leaves alone is a constant, which some runtimes refuse as an output.
      const outputs = (dequantize?.inputs ?? [layer.node.inputs[at]!]).map((value) => b.add("Identity", [value]));
      for (const output of outputs) b.output(output);
      return { name: operandName(layer.name, kind), outputs };
    }),
  );
  const session = await openSession(asModel(prune(b.build("fold"))));
  try {
    const results = await session.run(Object.fromEntries([...own].map((name) => [name, parameters[name]!])));
    return new Map(wanted.map(({ name, outputs }) => [name, outputs.map((output) => results[output]!)]));
  } finally {
    await session.close();
  }
}
