import { readFileSync } from "node:fs";
import { decodeSafetensors } from "../../../../runtime/adapter/safetensors.ts";
import { openSession } from "../../../../runtime/execute/session.ts";
import { backward } from "../../../../runtime/gradients/backward.ts";
import { LOSSES } from "../../../../runtime/losses/index.ts";
import { type AttributeValue, asModel, GraphBuilder } from "../../../../runtime/onnx/builder.ts";
import type { Graph, ValueName } from "../../../../runtime/onnx/graph.ts";
import { float32, type Tensor } from "../../../../runtime/onnx/tensor.ts";
import { inferTypes } from "../../../../runtime/shapes/infer.ts";
import { relativeError } from "../case.ts";

/** Writes a network's nodes behind `x` and returns its logits; parameters are there under PyTorch's names. */
export type NetworkDefinition = (network: NetworkBuilder, x: ValueName) => ValueName;

const CLASSES = 4;

export const readReference = (name: string): ReadonlyMap<string, Tensor> =>
  decodeSafetensors(readFileSync(new URL(`${name}.safetensors`, import.meta.url)), name).tensors;

/** The layers that networks are written in. */
export class NetworkBuilder {
  readonly b = new GraphBuilder();

  add(op: string, inputs: readonly ValueName[], attributes: Record<string, AttributeValue> = {}): ValueName {
    return this.b.add(op, inputs, attributes);
  }

  constant(value: Tensor): ValueName {
    return this.b.constant("constant", value);
  }

  conv(x: ValueName, name: string, attributes: Record<string, AttributeValue> = {}): ValueName {
    const bias = `${name}.bias`;
    return this.add("Conv", [x, `${name}.weight`, ...(this.b.has(bias) ? [bias] : [])], attributes);
  }

  /** Over the last axis of any value, where Gemm wants a matrix. */
  linear(x: ValueName, name: string): ValueName {
    const weight = this.add("Transpose", [`${name}.weight`], { perm: [1, 0] });
    return this.add("Add", [this.add("MatMul", [x, weight]), `${name}.bias`]);
  }

  gemm(x: ValueName, name: string): ValueName {
    return this.add("Gemm", [x, `${name}.weight`, `${name}.bias`], { transB: 1 });
  }

  batchNorm(x: ValueName, name: string): ValueName {
    const parts = ["weight", "bias", "running_mean", "running_var"].map((part) => `${name}.${part}`);
    return this.add("BatchNormalization", [x, ...parts], { epsilon: { float: 1e-5 } });
  }

  layerNorm(x: ValueName, name: string): ValueName {
    const parts = [`${name}.weight`, `${name}.bias`];
    return this.add("LayerNormalization", [x, ...parts], { axis: -1, epsilon: { float: 1e-5 } });
  }

  relu6(x: ValueName): ValueName {
    return this.add("Clip", [x, this.constant(float32([], [0])), this.constant(float32([], [6]))]);
  }

  hardSigmoid(x: ValueName): ValueName {
    return this.add("HardSigmoid", [x], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } });
  }

  /** [N, C, H, W] → [N, C] */
  pooled(x: ValueName): ValueName {
    return this.add("Flatten", [this.add("GlobalAveragePool", [x])]);
  }
}

/** A network as a graph: x: ["N", …] → logits, with the reference's parameters and statistics as constants. */
export function networkGraph(define: NetworkDefinition, reference: ReadonlyMap<string, Tensor>): Graph {
  const network = new NetworkBuilder();
  const x = network.b.input("x", "float32", ["N", ...reference.get("x")!.dims.slice(1)]);
  for (const [name, value] of reference) if (!RESULTS.test(name)) network.b.adoptConstant(name, value);
  network.b.output(define(network, x));
  return network.b.build("network");
}

/** What the reference holds beside parameters and statistics. */
const RESULTS = /^(x|labels|logits|loss|d\/.*)$/;

/**
 * Relative errors, against PyTorch's values, of the logits, the loss of cross-entropy, and the gradient of every parameter and the input.
 * The graph has its parameters as constants under the reference's names.
 */
export async function networkErrors(
  graph: Graph,
  reference: ReadonlyMap<string, Tensor>,
): Promise<Record<string, number>> {
  const types = inferTypes(graph);
  const b = new GraphBuilder({ source: graph });
  for (const { name, type, shape } of graph.inputs) b.input(name, type, shape);
  for (const [name, value] of graph.initializers) b.adoptConstant(name, value);
  for (const node of graph.nodes) b.adopt(node);

  const logits = graph.outputs[0]!.name;
  const samples = reference.get("labels")!.dims[0]!;
  const shares = b.constant("shares", float32([samples], Array(samples).fill(1 / samples)));
  const labels = b.input("labels", "int64", ["N"]);
  const loss = LOSSES["cross-entropy"].build(b, { logits, labels, shares, classes: CLASSES });
  const x = graph.inputs[0]!.name;
  const differentiated = [...reference.keys()].filter((name) => name.startsWith("d/"));
  const standsFor = (name: string): ValueName => (name === "d/x" ? x : name.slice(2));
  const gradients = backward(b, {
    nodes: graph.nodes,
    type: (name) => types.get(name)!,
    seeds: new Map([[logits, loss.gradient]]),
    wanted: differentiated.map(standsFor),
  });

  const found = new Map<string, ValueName>([
    ["logits", logits],
    ["loss", loss.loss],
    ...differentiated.map((name): [string, ValueName] => [name, gradients.get(standsFor(name))!]),
  ]);
  for (const value of new Set(found.values())) b.output(value);
  const session = await openSession(asModel(b.build("gradients")));
  try {
    const results = await session.run({ [x]: reference.get("x")!, labels: reference.get("labels")! });
    return Object.fromEntries(
      [...found].map(([name, value]) => [name, relativeError(results[value]!, reference.get(name)!)]),
    );
  } finally {
    await session.close();
  }
}

export const largest = (errors: Readonly<Record<string, number>>): [name: string, error: number] =>
  Object.entries(errors).reduce((worst, entry) => (entry[1] > worst[1] ? entry : worst), ["none", 0]);
