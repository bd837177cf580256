import { attribute } from "../../onnx/attributes.ts";
import type { Node, ValueName } from "../../onnx/graph.ts";
import { float32 } from "../../onnx/tensor.ts";
import { type Attributes, float, int, only, text, without } from "../attributes.ts";
import { Refusal } from "../refusal.ts";
import type { Rewrite, RewriteContext } from "../rewriting.ts";
import { rootMeanSquare } from "../upgrades/newer.ts";

/**
 * Float operators that ONNX Runtime's optimizer puts in the place of several standard ones, taken apart again.
 * @see ONNX Runtime, docs/ContribOperators.md
 */
export const FUSED: Readonly<Record<string, Rewrite>> = {
  BiasGelu: (node, context) => gelu(node, added(node, context, node.inputs), "none"),
  FastGelu: (node, context) => gelu(node, added(node, context, node.inputs), "tanh"),
  FusedConv: fusedConvolution,
  FusedGemm: (node, context) =>
    activated(
      { ...node, opType: "Gemm", attributes: only(node, "alpha", "beta", "transA", "transB") },
      context,
      node.attributes.activation?.value as string | undefined,
      ["alpha", "beta"].map((name) => attribute(node, `activation_${name}`, "float", Number.NaN)),
    ),
  FusedMatMul: fusedProduct,
  Gelu: (node) => gelu(node, node.inputs[0]!, "none"),
  QuickGelu: quickGelu,
  SkipLayerNormalization: (node, context) => {
    const [x, skip, gamma, beta = "", bias = ""] = node.inputs as [ValueName, ValueName, ValueName, ...ValueName[]];
    return normalizedSum(node, context, [x, skip, bias], (sum) => ({
      ...node,
      opType: "LayerNormalization",
      domain: "",
      inputs: beta === "" ? [sum, gamma] : [sum, gamma, beta],
      outputs: [node.outputs[0]!],
      attributes: { axis: int(-1), epsilon: epsilonOf(node) },
    }));
  },
  SkipSimplifiedLayerNormalization: (node, context) => {
    const [x, skip, gamma, bias = ""] = node.inputs as [ValueName, ValueName, ValueName, ...ValueName[]];
    return normalizedSum(node, context, [x, skip, bias], (sum) =>
      rootMeanSquare(
        { ...node, inputs: [sum, gamma], outputs: [node.outputs[0]!], attributes: { epsilon: epsilonOf(node) } },
        context,
      ),
    );
  },
};

/** ONNX Runtime's own default, unlike that of LayerNormalization. */
const epsilonOf = (node: Node) => float(attribute(node, "epsilon", "float", 1e-12));

const gelu = (node: Node, x: ValueName, approximate: "none" | "tanh"): Node => ({
  ...node,
  opType: "Gelu",
  domain: "",
  inputs: [x],
  attributes: { approximate: text(approximate) },
});

/** x · sigmoid(α·x) */
function quickGelu(node: Node, { builder }: RewriteContext): Node {
  const x = node.inputs[0]!;
  const alpha = builder.constant(`${node.name}_alpha`, float32([], [attribute(node, "alpha", "float", 1.702)]));
  const scaled = builder.add("Mul", [x, alpha], {}, `${node.name}_scaled`);
  const gate = builder.add("Sigmoid", [scaled], {}, `${node.name}_gate`);
  return { ...node, opType: "Mul", domain: "", inputs: [x, gate], attributes: {} };
}

/** The sum of all operands that are there. */
function added(node: Node, { builder }: RewriteContext, terms: readonly ValueName[]): ValueName {
  return terms
    .filter((term) => term !== "")
    .reduce((sum, term) => builder.add("Add", [sum, term], {}, `${node.name}_sum`));
}

/** A normalization of x + skip + bias, of which the sum may be read as well (fourth output); the statistics are for training. */
function normalizedSum(
  node: Node,
  context: RewriteContext,
  terms: readonly ValueName[],
  normalize: (sum: ValueName) => Node,
): Node {
  const [, mean = "", deviation = "", sumOutput = ""] = node.outputs;
  if ([mean, deviation].some(context.isRead)) {
    throw new Refusal("statistics as outputs", "export the model in inference mode");
  }
  const sum = added(node, context, terms);
  if (sumOutput !== "") context.builder.alias(sumOutput, sum);
  return normalize(sum);
}

/** activation(Conv(x, w, b) + z) */
function fusedConvolution(node: Node, context: RewriteContext): Node {
  const [x, w, b = "", z = ""] = node.inputs as [ValueName, ValueName, ...ValueName[]];
  const activation = node.attributes.activation?.value as string | undefined;
  const parameters = attribute(node, "activation_params", "floats", []);
  const convolution: Node = {
    ...node,
    opType: "Conv",
    domain: "",
    inputs: b === "" ? [x, w] : [x, w, b],
    attributes: without(node, "activation", "activation_params"),
  };
  if (z === "") return activated(convolution, context, activation, parameters);
  const { builder } = context;
  const real = builder.fresh(`${node.name}_real`);
  builder.adopt({ ...convolution, outputs: [real] });
  const sum: Node = {
    ...node,
    name: builder.fresh(`${node.name}_sum`),
    opType: "Add",
    domain: "",
    inputs: [real, z],
    attributes: {},
  };
  return activated(sum, context, activation, parameters);
}

/** The node, with an activation behind it that writes what the node wrote. */
function activated(
  node: Node,
  { builder }: RewriteContext,
  name: string | undefined,
  parameters: readonly number[],
): Node {
  if (!name) return { ...node, domain: "" };
  const rule = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (!rule) throw new Refusal(`activation ${name}`, "export the model before ONNX Runtime optimizes it");
  const real = builder.fresh(`${node.name}_real`);
  builder.adopt({ ...node, domain: "", outputs: [real] });
  const operands =
    name === "Clip" ? parameters.map((bound) => builder.constant(`${node.name}_bound`, float32([], [bound]))) : [];
  return {
    name: builder.fresh(`${node.name}_${name}`),
    opType: name,
    domain: "",
    inputs: [real, ...operands],
    outputs: node.outputs,
    attributes: rule(parameters),
  };
}

/** Attributes of an activation from its fused parameters. A NaN is one that is not given. */
const ACTIVATIONS: Readonly<Record<string, (parameters: readonly number[]) => Attributes>> = {
  Relu: () => ({}),
  Sigmoid: () => ({}),
  Tanh: () => ({}),
  Clip: () => ({}),
  HardSwish: () => ({}),
  LeakyRelu: (parameters) => given({ alpha: parameters[0] }),
  HardSigmoid: (parameters) => given({ alpha: parameters[0], beta: parameters[1] }),
};

const given = (values: Readonly<Record<string, number | undefined>>): Attributes =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined || Number.isNaN(value) ? [] : [[name, float(value)] as const],
    ),
  );

/** α · A · B, with the last two axes of either swapped if so told. */
function fusedProduct(node: Node, { builder, shape }: RewriteContext): Node {
  if (attribute(node, "transBatchA", "int", 0) || attribute(node, "transBatchB", "int", 0)) {
    throw new Refusal("transposed batches", "export the model before ONNX Runtime optimizes it");
  }
  const operands = node.inputs.map((name, at) => {
    if (attribute(node, at === 0 ? "transA" : "transB", "int", 0) === 0) return name;
    const rank = shape(name)?.length;
    if (rank === undefined)
      throw new Refusal("an operand of unknown rank", "export the model before ONNX Runtime optimizes it");
    if (rank < 2) return name; // a vector is not transposed
    const axes = Array.from({ length: rank }, (_, axis) => axis);
    const perm = [...axes.slice(0, -2), rank - 1, rank - 2];
    return builder.add("Transpose", [name], { perm }, `${node.name}_transposed`);
  });
  const alpha = attribute(node, "alpha", "float", 1);
  const product: Node = { ...node, opType: "MatMul", domain: "", inputs: operands, attributes: {} };
  if (alpha === 1) return product;
  const real = builder.fresh(`${node.name}_real`);
  builder.adopt({ ...product, outputs: [real] });
  const factor = builder.constant(`${node.name}_alpha`, float32([], [alpha]));
  return {
    ...node,
    name: builder.fresh(`${node.name}_scaled`),
    opType: "Mul",
    domain: "",
    inputs: [real, factor],
    attributes: {},
  };
}
