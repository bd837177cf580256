import { LichenError } from "../errors.ts";
import type { Dim, Graph, Node, ValueName } from "../onnx/graph.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { elementsPerSample } from "./dims.ts";
import { knownConstant, knownElements } from "./known.ts";
import { noShape, type ValueType } from "./rule.ts";
import { SHAPES } from "./rules.ts";

export type ValueTypes = ReadonlyMap<ValueName, ValueType>;

/**
 * Element type and shape of every value of a graph.
 * @param outer types of the values around it, for the body of a Loop
 * @throws UNSUPPORTED_OPERATOR, NO_SHAPE
 */
export function inferTypes(graph: Graph, outer?: ValueTypes): ValueTypes {
  const types = new Map<ValueName, ValueType>(outer);
  for (const { name, type, shape } of graph.inputs) types.set(name, { type, shape });
  for (const [name, value] of graph.initializers) {
    types.set(name, constantType(value));
  }
  for (const node of graph.nodes) inferNode(node, types);
  return types;
}

/** Adds what a node's outputs are, from what is known of its operands. @throws UNSUPPORTED_OPERATOR, NO_SHAPE */
export function inferNode(node: Node, types: Map<ValueName, ValueType>): void {
  for (const [at, type] of outputTypes(node, types).entries()) {
    const name = node.outputs[at];
    if (name) types.set(name, type);
  }
}

/** What a constant is. */
export const constantType = (value: Tensor): ValueType =>
  withKnown({ type: value.type, shape: value.dims }, knownConstant(value));

function outputTypes(node: Node, types: ValueTypes): ValueType[] {
  const rule = node.domain === "" && Object.hasOwn(SHAPES, node.opType) ? SHAPES[node.opType] : undefined;
  if (!rule) {
    throw new LichenError("UNSUPPORTED_OPERATOR", {
      at: `node ${node.name}`,
      found: [node.domain, node.opType].filter(Boolean).join("."),
      wanted: Object.keys(SHAPES).join(", "),
    });
  }
  const inputs = node.inputs.map((name) => {
    if (name === "") return undefined;
    const found = types.get(name);
    if (!found) throw noShape(node, `${name}, of which nothing is known`, "operands that are computed before");
    return found;
  });
  const outputs = [rule({ node, inputs })].flat();
  for (const output of outputs) assertShape(output.shape, node);
  if (outputs.length < node.outputs.length) {
    throw noShape(node, `${node.outputs.length} outputs`, `at most ${outputs.length}`);
  }
  const first = outputs[0]!;
  return outputs.map(({ type, shape }, at) =>
    withKnown({ type, shape }, at === 0 ? knownElements({ node, inputs, output: first }) : undefined),
  );
}

/** Sizes that a value can have at all, so that no small file makes a graph of values that no memory holds. */
function assertShape(shape: readonly Dim[], node: Node): void {
  const isSize = (dim: Dim) => typeof dim === "string" || dim >= 0;
  if (shape.length <= HIGHEST_RANK && shape.every(isSize) && elementsPerSample(shape) <= MOST_ELEMENTS) return;
  throw noShape(node, `[${shape.slice(0, HIGHEST_RANK + 1)}]`, `at most ${HIGHEST_RANK} sizes, together below 2^31`);
}

const HIGHEST_RANK = 32;
const MOST_ELEMENTS = 2 ** 31 - 1;

const withKnown = (type: ValueType, known: ValueType["known"]): ValueType => (known ? { ...type, known } : type);
