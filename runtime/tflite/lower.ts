import { LichenError } from "../errors.ts";
import { Refusal } from "../normalize/refusal.ts";
import { asModel, GraphBuilder } from "../onnx/builder.ts";
import type { Graph, Model, ValueName } from "../onnx/graph.ts";
import { channelsLast } from "../onnx/layout.ts";
import { cancelTransposes } from "../passes/cancel-transposes.ts";
import { prune } from "../passes/prune.ts";
import { Lowering, type LowerOptions, nameOf, type Value } from "./lowering.ts";
import type { TfliteModel, TfliteOperator } from "./model.ts";
import { OPERATORS } from "./operators/index.ts";

export type { LowerOptions } from "./lowering.ts";

/**
 * A TFLite model in the form that the engine reads: opset 21, QDQ, one sample a row of a batch N, pictures as [N, C, H, W]. What comes in
 * and goes out are real numbers; quantized inputs are quantized by the graph. Values keep the file's names, nodes are named after what they
 * make.
 *
 * Integers compute what TFLite's kernels do, but for roundings of half a code: those multiply in fixed point. Models with int8 weights and
 * real activations (hybrid) are computed in real numbers, where TFLite quantizes each sample's activations as it runs.
 * @throws UNSUPPORTED_OPERATOR naming all operators that have no rule at once, or the first that is used in a way without one
 */
export function lowerTflite(model: TfliteModel, { target = "x64", form = "int8" }: LowerOptions = {}): Model {
  const needed = neededOperators(model);
  refuseUnknown(needed);
  const b = new GraphBuilder();
  const lowering = new Lowering(b, model, { target, form });
  for (const index of model.inputs) readInput(lowering, index);
  for (const operator of needed) lowered(operator, lowering);
  const outputs = model.outputs.map((index) => ({
    wanted: nameOf(model.tensors[index]!),
    value: result(index, lowering),
  }));
  for (const { value } of outputs) b.output(value.name, { type: "float32", shape: ["N", ...value.sample] });
  const graph = cancelTransposes(prune(b.build("tflite")));
  return asModel(outputs.reduce((named, { wanted, value }) => renamed(named, value.name, wanted), graph));
}

/** Those that an output depends on. What only computes the sizes of a RESHAPE is none: the file knows what comes out. */
function neededOperators({ operators, outputs }: TfliteModel): TfliteOperator[] {
  const needed = new Set(outputs);
  return operators
    .toReversed()
    .filter(({ name, inputs, outputs: written }) => {
      if (!written.some((index) => needed.has(index))) return false;
      for (const index of name === "RESHAPE" ? inputs.slice(0, 1) : inputs) needed.add(index);
      return true;
    })
    .reverse();
}

function refuseUnknown(operators: readonly TfliteOperator[]): void {
  const counts = new Map<string, number>();
  for (const { name } of operators) {
    if (!Object.hasOwn(OPERATORS, name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  if (counts.size === 0) return;
  throw new LichenError("UNSUPPORTED_OPERATOR", {
    at: "the TFLite graph",
    found: [...counts].map(([name, count]) => (count === 1 ? name : `${name} (${count} times)`)).join(", "),
    wanted: Object.keys(OPERATORS).join(", "),
  });
}

function lowered(operator: TfliteOperator, lowering: Lowering): void {
  try {
    OPERATORS[operator.name]!(operator, lowering);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    const { found, todo } = refusal;
    const at = `${operator.name} ${lowering.name(operator.outputs[0]!)}`;
    throw new LichenError("UNSUPPORTED_OPERATOR", { at, found, todo });
  }
}

function result(index: number, lowering: Lowering): Value {
  try {
    return lowering.value(index);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    throw new LichenError("UNSUPPORTED_OPERATOR", { at: "outputs", found: refusal.found, todo: refusal.todo });
  }
}

/** Real numbers; pictures come as [N, C, H, W], whatever layout the file computes in. */
function readInput(lowering: Lowering, index: number): void {
  const { b } = lowering;
  const { shape } = lowering.tensor(index);
  const own = shape[0] === 1;
  const sample = own ? shape.slice(1) : shape;
  const name = lowering.name(index);
  let value: Value = { name, sample, own };
  if (own && shape.length === 4) {
    const [height, width, channels] = sample as [number, number, number];
    input(b, name, [channels, height, width]);
    value = { ...value, name: b.add("Transpose", [name], { perm: channelsLast(4) }, `${name}_nhwc`) };
  } else {
    input(b, name, sample);
  }
  lowering.give(index, value);
}

const input = (b: GraphBuilder, name: ValueName, sample: readonly number[]): ValueName =>
  b.input(name, "float32", ["N", ...sample]);

/** The value takes the name, and whoever had it takes the value's. */
function renamed(graph: Graph, value: ValueName, wanted: ValueName): Graph {
  if (value === wanted || graph.inputs.some(({ name }) => name === value || name === wanted)) return graph;
  const swap = (name: ValueName) => (name === value ? wanted : name === wanted ? value : name);
  return {
    ...graph,
    outputs: graph.outputs.map((output) => ({ ...output, name: swap(output.name) })),
    nodes: graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map(swap), outputs: node.outputs.map(swap) })),
    initializers: new Map([...graph.initializers].map(([name, constant]) => [swap(name), constant])),
  };
}
