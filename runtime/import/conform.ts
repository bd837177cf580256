import { LichenError } from "../errors.ts";
import { QUANTIZED } from "../normalize/contrib/quantized.ts";
import { normalizeModel } from "../normalize/index.ts";
import { UPGRADES } from "../normalize/upgrades/index.ts";
import type { Graph, Model, Node } from "../onnx/graph.ts";
import { cancelTransposes } from "../passes/cancel-transposes.ts";
import { inferTypes } from "../shapes/infer.ts";
import { SHAPES } from "../shapes/rules.ts";
import { openBatch } from "./batch.ts";
import { type InputCodes, oneInputAndOutput, realInput, realOutput } from "./ends.ts";
import { channelsFirst, type Layout } from "./layout.ts";
import type { Note } from "./note.ts";
import { fixSizes } from "./sizes.ts";

export interface ConformOptions {
  /** The value to answer with; the model's first output where absent. */
  output?: string;
  layout?: Layout;
  /** Of the input where the model leaves it open: width and height, or samples. */
  size?: readonly number[];
}

export interface Conformed {
  model: Model;
  codes: InputCodes;
}

/**
 * A model as packages hold it: opset 21, QDQ as `normalize` means it, one float32 input [N, …] with channels first and fixed sizes, one
 * float32 output [N, …], and a batch that may vary.
 * @throws UNSUPPORTED_OPERATOR naming all that is not supported, NO_SHAPE, BAD_ARGUMENT
 */
export function conform(source: Model, { output, layout, size }: ConformOptions, note: Note): Conformed {
  const normalized = normalizeAll({ ...source, graph: oneInputAndOutput(source.graph, output, note) });
  const arranged = cancelTransposes(fixSizes(channelsFirst(normalized.graph, layout, note), size));
  const { graph, codes } = realInput(arranged);
  const opened = openBatch(withoutIdleCasts(graph));
  return { model: declareOutput(normalizeModel({ ...normalized, graph: realOutput(opened) })), codes };
}

/** As `normalizeModel`; what it refuses and what has no shape rule are named together. */
function normalizeAll(model: Model): Model {
  let normalized: Model;
  try {
    normalized = normalizeModel(model);
  } catch (error) {
    const unknown = model.graph.nodes.filter(({ domain, opType }) => domain === "" && !REWRITTEN.has(opType));
    if (!(error instanceof LichenError) || unknown.length === 0) throw error;
    const { found, ...details } = error.details;
    throw new LichenError(error.code, { ...details, found: `${found}, ${named(unknown)}` });
  }
  const unknown = normalized.graph.nodes.filter((node) => !isKnown(node));
  if (unknown.length === 0) return normalized;
  throw new LichenError("UNSUPPORTED_OPERATOR", {
    at: `graph ${model.graph.name}`,
    found: named(unknown),
    todo: "export the model without these operators, or name a value before them with --output",
  });
}

const isKnown = ({ domain, opType }: Node): boolean => domain === "" && Object.hasOwn(SHAPES, opType);

/** Operators of `ai.onnx` that have a shape rule, or that normalization leaves none of. */
const REWRITTEN: ReadonlySet<string> = new Set(["Constant", ...[SHAPES, QUANTIZED, UPGRADES].flatMap(Object.keys)]);

const named = (nodes: readonly Node[]): string => nodes.map(({ opType, name }) => `${opType} ${name}`).join(", ");

/** Casts to what a value is already, as they remain of 16-bit floats and of pixels. */
function withoutIdleCasts(graph: Graph): Graph {
  const types = inferTypes(graph);
  const nodes = graph.nodes.map((node): Node => {
    const idle = node.opType === "Cast" && types.get(node.inputs[0]!)?.type === types.get(node.outputs[0]!)?.type;
    return idle ? { ...node, opType: "Identity", attributes: {} } : node;
  });
  return { ...graph, nodes };
}

/** The output with its type and shape, for whoever reads the file. */
function declareOutput(model: Model): Model {
  const types = inferTypes(model.graph);
  const outputs = model.graph.outputs.map(({ name }) => {
    const { type, shape } = types.get(name)!;
    return { name, type, shape };
  });
  return { ...model, graph: { ...model.graph, outputs } };
}
