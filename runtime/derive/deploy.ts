import { openSession } from "../execute/session.ts";
import type { Quantized } from "../integer/layers.ts";
import type { OperandKind } from "../methods/method.ts";
import { asModel, GraphBuilder } from "../onnx/builder.ts";
import type { Graph, Model, Node } from "../onnx/graph.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { prune } from "../passes/prune.ts";
import type { Plan } from "../plan/plan.ts";
import type { Base } from "./base.ts";
import { addAdaptedLayers, withOperands } from "./forward.ts";

const FOLDED: readonly OperandKind[] = ["weight", "bias"];

/**
 * deploy.onnx: the base with the parameters folded in. The same nodes as the base, other constants, and so the same speed.
 * The integers are computed by the very graph that training computes them with, in ONNX Runtime, and only copied here.
 * @param parameters float32, by the plan's names
 */
export async function deriveDeploy(
  base: Base,
  plan: Plan,
  parameters: Readonly<Record<string, Tensor>>,
): Promise<Model> {
  const folded = await foldParameters(base, plan, parameters);
  const initializers = new Map(base.graph.initializers);
  const replaced = new Map<Node, Node[]>();
  for (const { layer } of plan.targets) {
    const operands: Partial<Record<OperandKind, Quantized>> = {};
    for (const kind of FOLDED) {
      const tensors = folded.get(operandName(layer.name, kind));
      if (!tensors) continue;
      const [quantized, scale, zeroPoint] = ["quantized", "scale", "zero_point"].map((part, at) => {
        const name = `${operandName(layer.name, kind)}/${part}`;
        initializers.set(name, tensors[at]!);
        return name;
      }) as [string, string, string];
      operands[kind] = { quantized, scale, zeroPoint };
    }
    const dequantizers: Node[] = [];
    const adapted = withOperands(
      layer,
      operands,
      (node) => dequantizers.push(node),
      (name) => `${name}_adapted`,
    );
    replaced.set(layer.node, [...dequantizers, adapted.node]);
  }
  const nodes = base.graph.nodes.flatMap((node) => replaced.get(node) ?? [node]);
  const graph: Graph = { ...base.graph, nodes, initializers };
  return asModel(prune(graph), { "lichen.graph": "deploy", "lichen.method": plan.method });
}

const operandName = (layer: string, kind: OperandKind): string => `${layer}/adapted_${kind}`;

/** Quantized value, scale and zero point of every operand that the parameters change. */
async function foldParameters(
  base: Base,
  plan: Plan,
  parameters: Readonly<Record<string, Tensor>>,
): Promise<Map<string, Tensor[]>> {
  const b = new GraphBuilder({ source: base.graph });
  for (const { name, dims } of plan.parameters) b.input(name, "float32", dims);
  const wanted = addAdaptedLayers(b, base, plan).flatMap(({ target, layer }) =>
    FOLDED.filter((kind) => layer[kind] !== target.layer[kind]).map((kind) => {
      // Outputs of their own: a scale that the method leaves alone is a constant, which some runtimes refuse as an output.
      const outputs = layer[kind].inputs.map((value) => b.add("Identity", [value]));
      for (const output of outputs) b.output(output);
      return { name: operandName(layer.name, kind), outputs };
    }),
  );
  const session = await openSession(asModel(prune(b.build("fold"))));
  try {
    const results = await session.run(parameters);
    return new Map(wanted.map(({ name, outputs }) => [name, outputs.map((output) => results[output]!)]));
  } finally {
    await session.close();
  }
}
