import { LichenError } from "../errors.ts";
import { findLayers, type Layer } from "../integer/layers.ts";
import { prepareGraph } from "../integer/prepare.ts";
import { normalizeModel } from "../normalize/index.ts";
import type { Graph, Model, Node, ValueInfo, ValueName } from "../onnx/graph.ts";
import { assertNumbers } from "../onnx/numbers.ts";
import { settleShapes } from "../passes/settle-shapes.ts";
import { assertBounded } from "../shapes/bounds.ts";
import { inferTypes, type ValueTypes } from "../shapes/infer.ts";

/** What a model does to its logits before it answers. */
export type Activation = "none" | "Softmax" | "LogSoftmax" | "Sigmoid";

/** A base model, understood: what all derived graphs are derived from. */
export interface Base {
  graph: Graph;
  types: ValueTypes;
  layers: readonly Layer[];
  /** [N, …], float32 */
  input: ValueInfo;
  /** [N, …], float32: what the model answers */
  output: ValueInfo;
  /** [N, …], float32: what the losses see; the output, but for an activation at the very end */
  logits: ValueInfo;
  activation: Activation;
  /** Numbers in one sample's output. */
  classes: number;
}

/** @throws NO_SHAPE, UNSUPPORTED_OPERATOR, MODEL_CORRUPT for a weight that is no number */
export function prepareBase(model: Model): Base {
  const normalized = normalizeModel(model).graph;
  assertNumbers(normalized);
  const prepared = prepareGraph(normalized);
  const preparedTypes = inferTypes(prepared);
  assertBounded(prepared, preparedTypes);
  const graph = settleShapes(prepared, preparedTypes);
  const types = graph === prepared ? preparedTypes : inferTypes(graph);
  const info = (name: ValueName): ValueInfo => ({ name, ...types.get(name)! });
  const [input, output] = [only(graph, "input"), only(graph, "output")].map(info) as [ValueInfo, ValueInfo];
  if (typeof input.shape[0] === "number") {
    throw new LichenError("NO_SHAPE", {
      at: `input ${input.name}`,
      found: `a fixed batch of ${input.shape[0]}`,
      wanted: "a batch that may vary, since training runs several samples at once",
      todo: "export the model with a symbolic first dimension",
    });
  }
  const { logits, activation } = beforeActivation(graph, output.name);
  const sample = output.shape.slice(1);
  if (sample.length === 0 || !sample.every((dim) => typeof dim === "number") || output.type !== "float32") {
    throw new LichenError("NO_SHAPE", {
      at: `output ${output.name}`,
      found: `${output.type}[${output.shape}]`,
      wanted: "float32[N, classes]",
    });
  }
  const classes = sample.reduce<number>((product, dim) => product * (dim as number), 1);
  return { graph, types, layers: findLayers(graph, types), input, output, logits: info(logits), activation, classes };
}

function only(graph: Graph, what: "input" | "output"): ValueName {
  const values = what === "input" ? graph.inputs : graph.outputs;
  if (values.length === 1) return values[0]!.name;
  throw new LichenError("UNSUPPORTED_OPERATOR", {
    at: `graph ${graph.name}`,
    found: `${values.length} ${what}s`,
    wanted: "one",
  });
}

/**
 * The value before a Softmax or Sigmoid at the very end, also where its answer is quantized once more: losses take logits, whose
 * gradient is finite everywhere.
 */
export function beforeActivation(graph: Graph, output: ValueName): { logits: ValueName; activation: Activation } {
  const producers = new Map<ValueName, Node>(graph.nodes.flatMap((node) => node.outputs.map((value) => [value, node])));
  let last = producers.get(output);
  while (last && PASSING.has(last.opType)) last = producers.get(last.inputs[0]!);
  return last && isActivation(last.opType)
    ? { logits: last.inputs[0]!, activation: last.opType }
    : { logits: output, activation: "none" };
}

const PASSING = new Set(["QuantizeLinear", "DequantizeLinear", "Identity"]);

const isActivation = (opType: string): opType is Exclude<Activation, "none"> =>
  opType === "Softmax" || opType === "LogSoftmax" || opType === "Sigmoid";
