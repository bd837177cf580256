import { LichenError } from "../errors.ts";
import { findLayers, type Layer, prepareGraph } from "../integer/layers.ts";
import type { Graph, Model, ValueInfo } from "../onnx/graph.ts";
import { inferTypes, type ValueTypes } from "../shapes/infer.ts";

/** A base model, understood: what all derived graphs are derived from. */
export interface Base {
  graph: Graph;
  types: ValueTypes;
  layers: readonly Layer[];
  /** [N, …], float32 */
  input: ValueInfo;
  /** [N, classes], float32 */
  logits: ValueInfo;
  classes: number;
}

/** Between these, the operators of the shape table mean the same (axes of reductions apart, which no rule takes yet). */
const OLDEST_OPSET = 13;
const NEWEST_OPSET = 24;

/** @throws NOT_QUANTIZED, NO_SHAPE, UNSUPPORTED_OPERATOR */
export function prepareBase(model: Model): Base {
  if (model.opset < OLDEST_OPSET || model.opset > NEWEST_OPSET) {
    throw new LichenError("UNSUPPORTED_OPERATOR", {
      at: `graph ${model.graph.name}`,
      found: `opset ${model.opset}`,
      wanted: `opset ${OLDEST_OPSET} to ${NEWEST_OPSET}`,
      todo: "export the model with a newer opset",
    });
  }
  const graph = prepareGraph(model.graph);
  const types = inferTypes(graph);
  const layers = findLayers(graph);
  const [input, output] = [graph.inputs, graph.outputs].map((values, at) => {
    if (values.length === 1) return { name: values[0]!.name, ...types.get(values[0]!.name)! };
    throw new LichenError("UNSUPPORTED_OPERATOR", {
      at: `graph ${graph.name}`,
      found: `${values.length} ${at === 0 ? "inputs" : "outputs"}`,
      wanted: "one",
    });
  }) as [ValueInfo, ValueInfo];
  if (layers.length === 0) {
    throw new LichenError("NOT_QUANTIZED", {
      at: `graph ${graph.name}`,
      found: "no int8 Conv or Gemm",
      wanted: "a QDQ int8 model",
    });
  }
  if (typeof input.shape[0] === "number") {
    throw new LichenError("NO_SHAPE", {
      at: `input ${input.name}`,
      found: `a fixed batch of ${input.shape[0]}`,
      wanted: "a batch that may vary, since training runs several samples at once",
      todo: "export the model with a symbolic first dimension",
    });
  }
  const classes = output.shape.at(-1);
  if (output.shape.length !== 2 || typeof classes !== "number" || output.type !== "float32") {
    throw new LichenError("NO_SHAPE", {
      at: `output ${output.name}`,
      found: `${output.type}[${output.shape}]`,
      wanted: "float32[N, classes]",
    });
  }
  return { graph, types, layers, input, logits: output, classes };
}
