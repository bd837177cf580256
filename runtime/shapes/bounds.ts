import { LichenError } from "../errors.ts";
import type { Graph, ValueName } from "../onnx/graph.ts";
import { byteLength } from "../onnx/tensor.ts";
import { operands } from "../onnx/topological.ts";
import { elementsPerSample } from "./dims.ts";
import type { ValueTypes } from "./infer.ts";

/** Elements of one value for one sample: a gigabyte in float32. */
const MOST_ELEMENTS = 2 ** 28;

/** Bytes that constants may unfold to when a session computes ahead what depends on them alone, beyond a multiple of their own size. */
const ALWAYS_ALLOWED = 2 ** 26;
const MOST_UNFOLDING = 16;

/**
 * Refuses graphs of which a small file makes values without end: ConstantOfShape, Expand and Tile take their sizes from numbers.
 * @throws MODEL_CORRUPT
 */
export function assertBounded(graph: Graph, types: ValueTypes): void {
  const constant = new Set<ValueName>(graph.initializers.keys());
  const held = [...graph.initializers.values()].reduce((sum, value) => sum + byteLength(value), 0);
  const allowed = ALWAYS_ALLOWED + MOST_UNFOLDING * held;
  let unfolded = 0;
  for (const node of graph.nodes) {
    const isConstant = operands(node).every((name) => constant.has(name));
    for (const name of node.outputs) {
      const type = types.get(name);
      if (!type) continue;
      const count = elementsPerSample(type.shape);
      if (isConstant) constant.add(name);
      if (isConstant) unfolded += 4 * count;
      if (count <= MOST_ELEMENTS && unfolded <= allowed) continue;
      throw new LichenError("MODEL_CORRUPT", {
        at: `${node.opType} ${node.name}`,
        found: `${type.type}[${type.shape}]`,
        wanted: `at most ${MOST_ELEMENTS} elements, and constants that unfold to ${allowed} bytes at most`,
      });
    }
  }
}
