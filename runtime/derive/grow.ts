import { LichenError } from "../errors.ts";
import { findLayers, isLinear, type Layer, type Operand } from "../integer/layers.ts";
import { constantOf, quantizedOperand } from "../integer/quantized.ts";
import type { Graph, Node, ValueName } from "../onnx/graph.ts";
import { ELEMENTS, type ElementArray, elementCount, int64, type Tensor } from "../onnx/tensor.ts";
import { prune } from "../passes/prune.ts";
import { inferTypes } from "../shapes/infer.ts";
import type { Base } from "./base.ts";

/**
 * The base with room for more classes: rows of zeros at the end of its last layer. The old classes' logits stay what they were to the
 * bit; what the new rows become is trained like everything else, and so stands in the adapter. Where the answer of a Softmax was
 * quantized once more, as TFLite does it, it no longer is: steps of 1/256 were made for fewer classes.
 * @throws CANNOT_GROW when the logits are not what a linear layer gives
 */
export function growHead(base: Base, added: number): Base {
  if (added === 0) return base;
  const { layers, behind } = endOf(base);
  const initializers = new Map(base.graph.initializers);
  const inputs = new Map<Node, readonly ValueName[]>();
  // Under a new name, since another layer may share the constant.
  const grow = (node: Node, at: number, axis: number, fill: Fill) => {
    const name = node.inputs[at]!;
    const value = initializers.get(name)!;
    if (value.dims.length <= axis) return; // one for all channels
    initializers.set(`${name}_grown`, extended(value, axis, added, fill(Array.from(value.data, Number))));
    inputs.set(node, (inputs.get(node) ?? node.inputs).with(at, `${name}_grown`));
  };
  for (const layer of layers) {
    if (layer.weight) growOperand(base.graph, layer, layer.weight, layer.weightAxis, grow);
    if (layer.bias) growOperand(base.graph, layer, layer.bias, layer.bias.dims.length - 1, grow);
  }
  const nodes = base.graph.nodes.map((node) =>
    behind.has(node)
      ? widenReshape(node, base.classes, added, initializers)
      : { ...node, inputs: inputs.get(node) ?? node.inputs },
  );
  const grown = answeredInFull(base, { ...base.graph, nodes, initializers });
  const types = inferTypes(grown);
  const info = (name: ValueName) => ({ name, ...types.get(name)! });
  const graph = { ...grown, outputs: [info(base.output.name)] };
  return {
    ...base,
    graph,
    types,
    layers: findLayers(graph, types),
    output: info(base.output.name),
    logits: info(base.logits.name),
    classes: base.classes + added,
  };
}

/** The linear layer that gives the logits, and the sum with a constant behind it where a model has its bias there. */
export const headOf = (base: Base): Layer[] => endOf(base).layers;

/** The head, and what only passes its answer on. @throws CANNOT_GROW */
function endOf({ graph, layers, logits, classes }: Base): { layers: Layer[]; behind: ReadonlySet<Node> } {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const byNode = new Map(layers.map((layer) => [layer.node, layer]));
  const found: Layer[] = [];
  const behind = new Set<Node>();
  let value: ValueName | undefined = logits.name;
  while (value !== undefined) {
    const node: Node | undefined = producers.get(value);
    const layer = node && byNode.get(node);
    if (layer) found.push(layer);
    if (layer && isLinear(layer) && layer.outChannels === classes) return { layers: found, behind };
    if (node && !layer) behind.add(node);
    const passes = layer ? layer.node.opType === "Add" : node && PASSING.has(node.opType);
    value = passes
      ? node!.inputs.find((input) => producers.has(input) && !isConstant(producers.get(input)!, graph))
      : undefined;
  }
  throw new LichenError("CANNOT_GROW", {
    at: `output ${logits.name}`,
    found: "logits that no linear layer gives",
    wanted: "a Gemm, MatMul or 1×1 Conv at the end",
  });
}

const PASSING = new Set(["QuantizeLinear", "DequantizeLinear", "Identity", "Flatten", "Reshape", "Squeeze"]);

const isConstant = (node: Node, graph: Graph): boolean => node.inputs.every((input) => graph.initializers.has(input));

type Fill = (values: readonly number[]) => number;

function growOperand(
  graph: Graph,
  { node }: Layer,
  { at, dequantize }: Operand,
  axis: number,
  grow: (node: Node, at: number, axis: number, fill: Fill) => void,
): void {
  if (!dequantize) {
    grow(node, at, axis, () => 0);
  } else {
    const zero = Number(constantOf(graph, quantizedOperand(dequantize).zeroPoint).data[0]);
    grow(dequantize, 0, axis, () => zero);
    grow(dequantize, 1, 0, middle);
    grow(dequantize, 2, 0, () => zero);
  }
}

/** A new row's grid before anything is known of the row: what is usual among the others. */
const middle: Fill = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** `added` more entries along an axis, all of one value. */
export function extended(value: Tensor, axis: number, added: number, fill: number): Tensor {
  const dims = value.dims.with(axis, value.dims[axis]! + added);
  const inner = elementCount(value.dims.slice(axis + 1));
  const [from, to] = [value.dims[axis]! * inner, dims[axis]! * inner];
  const data = new ELEMENTS[value.type as "float32"](elementCount(dims)).fill(fill) as ElementArray;
  for (let outer = 0; outer * from < value.data.length; outer++) {
    data.set(value.data.subarray(outer * from, (outer + 1) * from) as never, outer * to);
  }
  return { type: value.type, dims, data };
}

/** With the activation at the end as the answer itself. */
function answeredInFull({ logits, output, activation }: Base, graph: Graph): Graph {
  const end = graph.nodes.find(({ opType, inputs: [x] }) => opType === activation && x === logits.name);
  if (!end || end.outputs[0] === output.name) return graph;
  const nodes = graph.nodes
    .filter(({ outputs }) => !outputs.includes(output.name))
    .map((node) => (node === end ? { ...end, outputs: [output.name] } : node));
  return prune({ ...graph, nodes });
}

/** A Reshape to a fixed number of classes. */
function widenReshape(node: Node, classes: number, added: number, initializers: Map<ValueName, Tensor>): Node {
  if (node.opType !== "Reshape") return node;
  const target = initializers.get(node.inputs[1]!);
  const sizes = target && Array.from(target.data, Number);
  if (sizes?.at(-1) !== classes) return node;
  const name = `${node.name}_grown_shape`;
  initializers.set(name, int64(sizes.with(-1, classes + added)));
  return { ...node, inputs: [node.inputs[0]!, name] };
}
