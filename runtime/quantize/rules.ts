import { attribute } from "../onnx/attributes.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { parametersOf } from "./layers.ts";

/**
 * What becomes of an operator: a `weighted` one has its weights per channel in int8 and its bias in int32; what `computes` reads codes and
 * writes codes at a scale of its own; what `passes` writes the codes that it reads, at their scale; what `joins` several values brings
 * them to one scale. Operators without a row, or without a rule for this node, stay in float.
 */
export type Rule = "weighted" | "computes" | "passes" | "joins";

type Constants = Pick<Graph, "initializers">;
type Row = Rule | ((node: Node, graph: Constants) => Rule | undefined);

const RULES: Readonly<Record<string, Row>> = {
  Conv: (node, graph) => (parametersOf(graph, node) ? "weighted" : undefined),
  Gemm: (node, graph) => (parametersOf(graph, node) ? "weighted" : undefined),
  MatMul: (node, graph) => (parametersOf(graph, node) ? "weighted" : undefined),

  Add: "computes",
  AveragePool: "computes",
  Clip: "computes",
  Elu: "computes",
  GlobalAveragePool: "computes",
  HardSigmoid: "computes",
  HardSwish: "computes",
  LeakyRelu: "computes",
  Mul: "computes",
  ReduceMean: "computes",
  Relu: "computes",
  Sigmoid: "computes",
  Softmax: "computes",
  Sub: "computes",
  Tanh: "computes",

  DepthToSpace: "passes",
  Expand: "passes",
  Flatten: "passes",
  Gather: "passes",
  GlobalMaxPool: "passes",
  /** One that also tells where its maxima lie is no matter of codes alone. */
  MaxPool: ({ outputs }) => (outputs.filter(Boolean).length === 1 ? "passes" : undefined),
  /** Zero has a code at every scale; another value may lie beyond the range. */
  Pad: ({ inputs }, { initializers }) => {
    const value = inputs[2] ? initializers.get(inputs[2]) : null;
    return value === null || Number(value?.data[0]) === 0 ? "passes" : "computes";
  },
  Reshape: "passes",
  /** A cubic curve swings beyond what it runs through. */
  Resize: (node) => (attribute(node, "mode", "string", "nearest") === "cubic" ? "computes" : "passes"),
  Slice: "passes",
  SpaceToDepth: "passes",
  Split: "passes",
  Squeeze: "passes",
  Tile: "passes",
  Transpose: "passes",
  Unsqueeze: "passes",

  /** A constant among what is joined is rare, and would have to be quantized at the scale of all. */
  Concat: ({ inputs }, { initializers }) => (inputs.some((name) => initializers.has(name)) ? undefined : "joins"),
};

export function ruleOf(node: Node, graph: Constants): Rule | undefined {
  const row = node.domain === "" && Object.hasOwn(RULES, node.opType) ? RULES[node.opType] : undefined;
  return typeof row === "function" ? row(node, graph) : row;
}

/** Operators all of whose operands are numbers of one kind; of the others only the first is an activation. */
const ELEMENTWISE: ReadonlySet<string> = new Set(["Add", "Concat", "Mul", "Sub"]);

/** The operands that are read as codes, computed or constant. */
export const activationOperands = ({ opType, inputs }: Node): readonly ValueName[] =>
  ELEMENTWISE.has(opType) ? inputs : inputs.slice(0, 1);

/** Whether a weighted operator has an integer kernel also where what it writes stays a real number. */
export const writesReal = ({ opType }: Node): boolean => opType === "Gemm" || opType === "MatMul";

/** Up to where a Relu or a Clip from zero lets numbers through; zero is the one lower end that a quantized range can have exactly. */
export function clipFromZero(
  { opType, domain, inputs }: Node,
  constants: ReadonlyMap<ValueName, Tensor>,
): number | undefined {
  if (domain !== "") return undefined;
  if (opType === "Relu") return Number.POSITIVE_INFINITY;
  if (opType !== "Clip" || constants.get(inputs[1] ?? "")?.data[0] !== 0) return undefined;
  return inputs[2] ? Number(constants.get(inputs[2])?.data[0]) || undefined : Number.POSITIVE_INFINITY;
}
