import { LichenError } from "../errors.ts";
import { attribute } from "../onnx/attributes.ts";
import { asModel, GraphBuilder } from "../onnx/builder.ts";
import type { Graph, Model, Node, ValueName } from "../onnx/graph.ts";
import { float32, type Tensor, tensor } from "../onnx/tensor.ts";
import { calibrate, minMax, type Observer } from "./calibrate.ts";
import { type ActivationScale, activationScale, quantizeWeight, type Range, WEIGHT_LIMITS } from "./parameters.ts";

export interface QuantizeOptions {
  /** Inputs of the model as it will meet them, batch first; a hundred or two will do. */
  samples: Iterable<Tensor<"float32">>;
  /** How a value's range follows from what was seen; by default all that was seen. */
  observer?: () => Observer;
  /** Weights in ±64, so that all machines agree to the bit. On by default. */
  reducedRange?: boolean;
  threads?: number;
}

/**
 * A float model as int8: QuantizeLinear and DequantizeLinear around every operator, in the one form that ONNX Runtime fuses
 * to integer kernels and that the engine derives its training graphs from. The input keeps its name and is quantized
 * to «‹input›_q»; the last layer's logits stay in float.
 * @throws UNSUPPORTED_OPERATOR naming the node; TOO_FEW_SAMPLES without calibration samples
 */
export async function quantizeModel(model: Model, options: QuantizeOptions): Promise<Model> {
  const { graph } = model;
  // Everything that can be refused is, before minutes go into calibration.
  for (const node of graph.nodes) if (ruleOf(node) === "weighted") parametersOf(graph, node);
  const activations = quantizedValues(graph);
  const ranges = await calibrate(model, activations, options.samples, options.observer ?? minMax, options.threads);
  const limit = WEIGHT_LIMITS[options.reducedRange === false ? "full" : "reduced"];
  return { ...asModel(rewrite(graph, ranges, limit)), metadata: model.metadata };
}

/** What becomes of an operator. `computes` ones are quantized behind themselves, `passes` ones hand their input's scale on. */
type Rule = "weighted" | "computes" | "passes";

const RULES: Readonly<Record<string, Rule>> = {
  Conv: "weighted",
  Gemm: "weighted",
  Add: "computes",
  Clip: "computes",
  Relu: "computes",
  GlobalAveragePool: "computes",
  Flatten: "passes",
};

function ruleOf(node: Node): Rule {
  const rule = node.domain === "" && Object.hasOwn(RULES, node.opType) ? RULES[node.opType] : undefined;
  if (rule) return rule;
  throw unsupported(node, node.opType, Object.keys(RULES).join(", "));
}

/** The input, and every value whose range has to be known: what is computed, except what a Relu or the caller takes as it is. */
function quantizedValues(graph: Graph): ValueName[] {
  const computed = graph.nodes.filter((node) => ruleOf(node) !== "passes").map((node) => outputOf(graph, node));
  const results = new Set(graph.outputs.map(({ name }) => name));
  return [...new Set([graph.inputs[0]!.name, ...computed])].filter((value) => !results.has(value));
}

/**
 * A node's output, or that of the Relu or Relu6 behind it: there, the ends of the quantized range are the clip, and the kernels
 * still fuse.
 */
function outputOf(graph: Graph, node: Node): ValueName {
  const output = node.outputs[0]!;
  const users = graph.nodes.filter(({ inputs }) => inputs.includes(output));
  const folds = (ruleOf(node) === "weighted" || node.opType === "Add") && users.length === 1;
  if (!folds || graph.outputs.some(({ name }) => name === output)) return output;
  return clipsFromZero(graph, users[0]!) ? users[0]!.outputs[0]! : output;
}

/** Relu, or a Clip from zero to anything: zero is the one lower end that a quantized range can have exactly. */
function clipsFromZero(graph: Graph, { opType, inputs }: Node): boolean {
  if (opType === "Relu") return true;
  return opType === "Clip" && graph.initializers.get(inputs[1] ?? "")?.data[0] === 0;
}

interface Activation extends ActivationScale {
  /** The names of the quantized value, its scale and its zero point. */
  operands: [ValueName, ValueName, ValueName];
}

function rewrite(graph: Graph, ranges: ReadonlyMap<ValueName, Range>, limit: number): Graph {
  const builder = new GraphBuilder();
  // The float model's names are taken: a name made up here must not meet one that a later node brings.
  for (const { outputs } of graph.nodes) for (const name of outputs) builder.fresh(name);
  const activations = new Map<ValueName, Activation>();
  const constant = (name: string, value: Tensor) => builder.constant(name, value);

  const quantize = (value: ValueName, as: ValueName, given?: Activation) => {
    const { scale, zeroPoint } = given ?? activationScale(ranges.get(as)!);
    const operands = given?.operands.slice(1) ?? [
      constant(`${as}_scale`, float32([], [scale])),
      constant(`${as}_zero_point`, tensor("uint8", [], Uint8Array.of(zeroPoint))),
    ];
    const quantized = builder.add("QuantizeLinear", [value, ...operands], {}, `${as}_q`);
    activations.set(as, { scale, zeroPoint, operands: [quantized, operands[0]!, operands[1]!] });
  };
  const dequantize = (value: ValueName) =>
    builder.add("DequantizeLinear", activations.get(value)!.operands, {}, `${value}_real`);
  /** What an operator without weights reads: activations, or constants (the bounds of a Clip) as they are. */
  const operand = (value: ValueName) => {
    if (activations.has(value)) return dequantize(value);
    const given = graph.initializers.get(value);
    if (given) builder.adoptConstant(value, given);
    return value;
  };
  const perChannel = (name: string, type: "int8" | "int32", value: Tensor, scale: Tensor, axis: number) =>
    builder.add(
      "DequantizeLinear",
      [
        constant(`${name}_quantized`, value),
        constant(`${name}_scale`, scale),
        constant(`${name}_zero_point`, zeros(type, scale.dims)),
      ],
      { axis },
      `${name}_real`,
    );

  const input = graph.inputs[0]!;
  builder.input(input.name, "float32", input.shape);
  quantize(input.name, input.name);
  for (const node of graph.nodes) {
    const as = outputOf(graph, node);
    if (activations.has(as)) continue; // a clip that the node in front of it has taken in
    const [x] = node.inputs as [ValueName];
    if (ruleOf(node) === "weighted") {
      const { weight, bias, axis } = parametersOf(graph, node);
      const q = quantizeWeight(weight, axis, bias, activations.get(x)!.scale, limit);
      const operands = [
        dequantize(x),
        perChannel(`${node.name}_weight`, "int8", q.weight, q.weightScale, axis),
        perChannel(`${node.name}_bias`, "int32", q.bias, q.biasScale, 0),
      ];
      builder.adopt({ ...node, inputs: operands });
    } else {
      builder.adopt({ ...node, inputs: node.inputs.map(operand) });
    }
    if (ranges.has(as)) quantize(node.outputs[0]!, as);
    else if (ruleOf(node) === "passes") quantize(node.outputs[0]!, as, activations.get(x)!);
  }
  for (const { name, ...info } of graph.outputs) builder.output(name, info);
  return builder.build(graph.name);
}

const zeros = (type: "int8" | "int32", dims: readonly number[]): Tensor =>
  type === "int8" ? tensor(type, dims, new Int8Array(dims[0]!)) : tensor(type, dims, new Int32Array(dims[0]!));

/** Weight, bias (zeros where there is none) and the axis of the output channels. */
function parametersOf(graph: Graph, node: Node): { weight: Tensor; bias: Float32Array; axis: number } {
  const [, weightName, biasName = ""] = node.inputs as [ValueName, ValueName, ValueName?];
  const weight = graph.initializers.get(weightName);
  if (weight?.type !== "float32") throw unsupported(node, `weight ${weightName}`, "a float32 constant");
  if (node.opType === "Gemm" && !isPlainGemm(node))
    throw unsupported(node, "a scaled or transposed product", "x·W + b");
  const axis = node.opType === "Gemm" && attribute(node, "transB", "int", 0) === 0 ? 1 : 0;
  const channels = weight.dims[axis]!;
  if (biasName === "") return { weight, axis, bias: new Float32Array(channels) };
  const bias = graph.initializers.get(biasName);
  if (bias?.type !== "float32" || bias.data.length !== channels) {
    throw unsupported(node, `bias ${biasName}`, `a float32 constant of ${channels} numbers`);
  }
  return { weight, axis, bias: bias.data as Float32Array };
}

const isPlainGemm = (node: Node): boolean =>
  attribute(node, "transA", "int", 0) === 0 &&
  attribute(node, "alpha", "float", 1) === 1 &&
  attribute(node, "beta", "float", 1) === 1;

const unsupported = (node: Node, found: string, wanted: string): LichenError =>
  new LichenError("UNSUPPORTED_OPERATOR", { at: `quantizing ${node.opType} ${node.name}`, found, wanted });
