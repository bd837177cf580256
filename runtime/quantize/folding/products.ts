import { linksOf } from "../../normalize/qdq/links.ts";
import { attribute } from "../../onnx/attributes.ts";
import type { Graph, Node, ValueName } from "../../onnx/graph.ts";
import { float32, type Tensor } from "../../onnx/tensor.ts";
import { growingConstants } from "../constants.ts";
import type { Probed } from "../probe.ts";

/**
 * Factors of a Gemm go into its constants, and a product with a bias behind it is a Gemm: forms that integer kernels know.
 * Differences from and quotients by constants are sums and products, for the same reason.
 */
export function plainProducts(graph: Graph, probed: ReadonlyMap<ValueName, Probed>): Graph {
  const links = linksOf(graph);
  const { initializers, constant } = growingConstants(graph);
  const real = (name: ValueName | undefined) => {
    const value = initializers.get(name ?? "");
    return value?.type === "float32" ? (value as Tensor<"float32">) : undefined;
  };
  const mapped = (name: string, { dims, data }: Tensor<"float32">, change: (value: number) => number): ValueName =>
    constant(
      name,
      float32(
        dims,
        Array.from(data as Float32Array, (value) => change(value)),
      ),
    );

  const rules: Readonly<Record<string, (node: Node) => Node>> = {
    Gemm(node) {
      const [alpha, beta] = ["alpha", "beta"].map((name) => attribute(node, name, "float", 1)) as [number, number];
      const [weight, bias] = [real(node.inputs[1]), real(node.inputs[2])];
      if ((alpha === 1 && beta === 1) || !weight || (node.inputs[2] && !bias)) return node;
      const { alpha: _, beta: __, ...attributes } = node.attributes;
      const inputs = [node.inputs[0]!, mapped(`${node.name}_weight`, weight, (value) => value * alpha)];
      if (bias) inputs.push(mapped(`${node.name}_bias`, bias, (value) => value * beta));
      return { ...node, inputs, attributes };
    },
    Sub(node) {
      const subtrahend = real(node.inputs[1]);
      if (!subtrahend || real(node.inputs[0])) return node;
      const negated = mapped(`${node.name}_negated`, subtrahend, (value) => -value);
      return { ...node, opType: "Add", inputs: [node.inputs[0]!, negated] };
    },
    Div(node) {
      const divisor = real(node.inputs[1]);
      if (!divisor || real(node.inputs[0]) || (divisor.data as Float32Array).includes(0)) return node;
      const inverse = mapped(`${node.name}_inverse`, divisor, (value) => 1 / value);
      return { ...node, opType: "Mul", inputs: [node.inputs[0]!, inverse] };
    },
  };

  const joined = new Set<Node>();
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (joined.has(node)) return [];
    const sum = biasBehind(node);
    if (sum) {
      joined.add(sum.node);
      return [{ ...node, opType: "Gemm", inputs: [...node.inputs, sum.bias], outputs: sum.node.outputs }];
    }
    const rule = node.domain === "" && Object.hasOwn(rules, node.opType) ? rules[node.opType] : undefined;
    return [rule ? rule(node) : node];
  });
  return { ...graph, nodes, initializers };

  /** The sum behind a product of rows and a constant matrix. A Gemm knows no other rank. */
  function biasBehind(product: Node): { node: Node; bias: ValueName } | undefined {
    if (product.opType !== "MatMul" || product.domain !== "" || real(product.inputs[1])?.dims.length !== 2) return;
    const output = product.outputs[0]!;
    const [sum, ...others] = links.users(output);
    if (sum?.opType !== "Add" || sum.domain !== "" || others.length > 0 || links.isResult(output)) return;
    const bias = sum.inputs.find((name) => name !== output);
    if (bias === undefined || real(bias)?.dims.length !== 1 || probed.get(product.inputs[0]!)?.dims.length !== 2)
      return;
    return { node: sum, bias };
  }
}
