import { asModel, GraphBuilder } from "../onnx/builder.ts";
import type { Graph, Model, Node, ValueName } from "../onnx/graph.ts";
import { float32, type Tensor, tensor, zeros } from "../onnx/tensor.ts";
import { operands } from "../onnx/topological.ts";
import { parametersOf, takesBias } from "./layers.ts";
import { type ActivationScale, activationScale, quantizeWeight, rangeOf } from "./parameters.ts";
import type { Plan } from "./plan.ts";
import { activationOperands } from "./rules.ts";

/** The names of the codes, the scale and the zero point. */
type Codes = readonly [ValueName, ValueName, ValueName];

export interface QuantizedGraph {
  model: Model;
  /** The names of the codes of each quantized value. */
  codes: ReadonlyMap<ValueName, ValueName>;
}

/**
 * A float graph with QuantizeLinear and DequantizeLinear around every planned operator, in the one form that ONNX Runtime fuses to
 * integer kernels and that the engine derives its training graphs from. The codes of a value `v` are named `v_q`.
 * @param limit how far weights reach, see WEIGHT_LIMITS
 */
export function rewriteQuantized(
  graph: Graph,
  { treatments, origins }: Plan,
  scales: ReadonlyMap<ValueName, ActivationScale>,
  limit: number,
): QuantizedGraph {
  const b = new GraphBuilder({ source: graph });
  const codes = new Map<ValueName, Codes>();
  const parameters = new Map<ActivationScale, readonly [ValueName, ValueName]>();
  const results = new Set(graph.outputs.map(({ name }) => name));
  /** What exists as a real number in any case: nobody gains by reading codes of it. */
  const computedInFloat = new Set(graph.inputs.map(({ name }) => name));

  const input = graph.inputs[0]!;
  b.input(input.name, input.type, input.shape);
  if (origins.has(input.name)) quantize(input.name, input.name);
  for (const node of graph.nodes) {
    const treatment = treatments.get(node)!;
    if (treatment.tag === "folded") continue;
    const isWeighted = treatment.tag === "weighted";
    const inputs = isWeighted ? weighted(node) : treatment.tag === "float" ? real(node) : activations(node);
    const y = (treatment.tag === "float" ? null : treatment.y) ?? [];
    // A result is the real number behind its codes, so what the node writes gets another name.
    const outputs = node.outputs.map((name, at) => (results.has(y[at] ?? "") ? b.fresh(`${name}_unquantized`) : name));
    adopt({ ...node, inputs, outputs });
    if (treatment.tag === "float") for (const value of outputs) computedInFloat.add(value);
    for (const [at, value] of y.entries()) if (value !== "") quantize(outputs[at]!, value);
    // What a float operator has computed may be wanted as codes.
    for (const value of outputs) if (origins.has(value) && !codes.has(value)) quantize(value, value);
    for (const value of y) if (results.has(value)) dequantizeAs(value, codes.get(value)!);
  }
  for (const { name, ...info } of graph.outputs) {
    const given = graph.initializers.get(name);
    if (given) b.adoptConstant(name, given);
    b.output(name, info);
  }
  return {
    model: asModel(b.build(graph.name)),
    codes: new Map([...codes].map(([value, [quantized]]) => [value, quantized])),
  };

  /** @param value what is quantized, @param as what it stands for: itself, or what a folded clip would make of it */
  function quantize(value: ValueName, as: ValueName): void {
    const scale = scales.get(as)!;
    // All that passes codes on shares the constants of what has computed them.
    const shared = parameters.get(scale) ?? [
      b.constant(`${as}_scale`, float32([], [scale.scale])),
      b.constant(`${as}_zero_point`, tensor("uint8", [], Uint8Array.of(scale.zeroPoint))),
    ];
    parameters.set(scale, shared);
    codes.set(as, [b.add("QuantizeLinear", [value, ...shared], {}, `${as}_q`), ...shared]);
  }

  function dequantizeAs(value: ValueName, inputs: Codes): void {
    const name = b.fresh(`${value}_dequantized`);
    b.adopt({ name, opType: "DequantizeLinear", domain: "", inputs, outputs: [value], attributes: {} });
  }

  function dequantized(value: ValueName): ValueName {
    return b.add("DequantizeLinear", codes.get(value)!, {}, `${value}_real`);
  }

  function adopt(node: Node): void {
    for (const name of operands(node)) {
      const given = graph.initializers.get(name);
      if (given) b.adoptConstant(name, given);
      // What a subgraph captures where a clip was folded exists as codes alone.
      else if (!b.has(name) && codes.has(name)) dequantizeAs(name, codes.get(name)!);
    }
    b.adopt(node);
  }

  function real(node: Node): ValueName[] {
    return node.inputs.map((name) => (codes.has(name) && !computedInFloat.has(name) ? dequantized(name) : name));
  }

  /** Activations as codes, constants beside them likewise; bounds and sizes as they are. */
  function activations(node: Node): ValueName[] {
    const read = activationOperands(node);
    return node.inputs.map((name, at) => {
      const given = graph.initializers.get(name);
      if (at >= read.length || name === "") return name;
      return given ? constantAsCodes(name, given) : dequantized(name);
    });
  }

  function constantAsCodes(name: string, value: Tensor): ValueName {
    const reals = value.data as Float32Array;
    const { scale, zeroPoint } = activationScale(rangeOf(reals));
    const stored = Uint8Array.from(reals, (real) => Math.max(0, Math.min(255, Math.round(real / scale) + zeroPoint)));
    const inputs = [
      b.constant(`${name}_quantized`, tensor("uint8", value.dims, stored)),
      b.constant(`${name}_scale`, float32([], [scale])),
      b.constant(`${name}_zero_point`, tensor("uint8", [], Uint8Array.of(zeroPoint))),
    ];
    return b.add("DequantizeLinear", inputs, {}, `${name}_real`);
  }

  function weighted(node: Node): ValueName[] {
    const { weight, bias, axis } = parametersOf(graph, node)!;
    const x = node.inputs[0]!;
    const q = quantizeWeight(weight, axis, bias, scales.get(x)!.scale, limit);
    const product = [dequantized(x), perChannel(`${node.name}_weight`, q.weight, q.weightScale, axis)];
    if (!takesBias(node)) return product;
    return [...product, perChannel(`${node.name}_bias`, q.bias, q.biasScale, 0)];
  }

  function perChannel(name: string, value: Tensor, scale: Tensor, axis: number): ValueName {
    const inputs = [
      b.constant(`${name}_quantized`, value),
      b.constant(`${name}_scale`, scale),
      b.constant(`${name}_zero_point`, zeros(value.type as "int8" | "int32", scale.dims[0]!)),
    ];
    return b.add("DequantizeLinear", inputs, { axis }, `${name}_real`);
  }
}
