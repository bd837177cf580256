import { LichenError } from "../errors.ts";
import { freshName } from "../normalize/qdq/links.ts";
import type { Graph, Node, OutputInfo, ValueInfo, ValueName } from "../onnx/graph.ts";
import { operands } from "../onnx/topological.ts";
import { prune } from "../passes/prune.ts";
import { inferTypes } from "../shapes/infer.ts";
import type { Note } from "./note.ts";

/**
 * The part of a graph that one output needs, and the one input that it comes from.
 * @param wanted any value of the graph; the first output where absent
 * @throws BAD_ARGUMENT for a value that there is not, UNSUPPORTED_OPERATOR for a model of several inputs
 */
export function oneInputAndOutput(graph: Graph, wanted: ValueName | undefined, note: Note): Graph {
  const output = wanted === undefined ? firstOutput(graph, note) : namedOutput(graph, wanted);
  const pruned = prune({ ...graph, outputs: [output] });
  const read = new Set([...pruned.nodes.flatMap(operands), output.name]);
  const inputs = pruned.inputs.filter(({ name }) => read.has(name));
  if (inputs.length === 1) return { ...pruned, inputs };
  throw new LichenError("UNSUPPORTED_OPERATOR", {
    at: `output ${output.name}`,
    found:
      inputs.length === 0 ? "no input that it depends on" : `${inputs.length} inputs: ${inputs.map(shown).join("; ")}`,
    wanted: "one input, the picture or the sound",
    todo: "export the model with its other inputs as constants, or name another output with --output",
  });
}

function firstOutput({ name, outputs }: Graph, note: Note): OutputInfo {
  // Of scikit-learn's kind, some answer a class number first and the probabilities behind it.
  const output = outputs.find(({ type }) => type === undefined || !INTEGERS.has(type)) ?? outputs[0];
  if (!output) throw new LichenError("MODEL_CORRUPT", { at: `graph ${name}`, found: "no output" });
  const others = outputs.filter((other) => other !== output).map((other) => other.name);
  if (others.length > 0)
    note(
      `of ${outputs.length} outputs, ${output.name} is used; another one can be named with --output: ${others.join(", ")}`,
    );
  return output;
}

const INTEGERS: ReadonlySet<string> = new Set(["int64", "int32", "uint64", "uint32", "bool"]);

function namedOutput(graph: Graph, name: ValueName): OutputInfo {
  const declared = graph.outputs.find((output) => output.name === name);
  if (declared) return declared;
  if (graph.nodes.some(({ outputs }) => outputs.includes(name))) return { name };
  throw new LichenError("BAD_ARGUMENT", {
    at: "--output",
    found: name,
    wanted: `a value of the model; its outputs are ${graph.outputs.map((output) => output.name).join(", ")}`,
  });
}

const shown = ({ name, type, shape }: ValueInfo): string => `${name} ${type}[${shape.join(", ")}]`;

/** What kind of numbers a model took in, before it was given real ones. */
export type InputCodes = "real" | "pixels" | "quantized";

/**
 * A graph that takes in real numbers: codes that it dequantizes are made of real ones behind the input, and integers that it casts
 * come as real numbers right away.
 * @throws UNSUPPORTED_OPERATOR for an input of any other kind
 */
export function realInput(graph: Graph): { graph: Graph; codes: InputCodes } {
  const input = graph.inputs[0]!;
  if (input.type === "float32") return { graph, codes: "real" };
  const readers = graph.nodes.filter((node) => operands(node).includes(input.name));
  const [first] = readers;
  const asReal = { ...input, type: "float32" } as const;
  if (first?.opType === "DequantizeLinear" && readers.every((node) => sameQuantizer(graph, node, first))) {
    const codes = freshName(graph, `${input.name}_quantized`);
    const [, scale, zeroPoint] = first.inputs as [ValueName, ValueName, ValueName?];
    const quantize: Node = {
      name: codes,
      opType: "QuantizeLinear",
      domain: "",
      inputs: [input.name, scale, ...(zeroPoint ? [zeroPoint] : [])],
      outputs: [codes],
      attributes: {},
    };
    const nodes = graph.nodes.map((node) =>
      readers.includes(node) ? { ...node, inputs: [codes, ...node.inputs.slice(1)] } : node,
    );
    return { graph: { ...graph, inputs: [asReal], nodes: [quantize, ...nodes] }, codes: "quantized" };
  }
  if (readers.every(({ opType }) => opType === "Cast"))
    return { graph: { ...graph, inputs: [asReal] }, codes: "pixels" };
  throw new LichenError("UNSUPPORTED_OPERATOR", {
    at: `input ${input.name}`,
    found: `${shown(input)}, read by ${readers.map(({ opType, name }) => `${opType} ${name}`).join(", ")}`,
    wanted: "real numbers, pixels that the model casts, or codes that it dequantizes",
    todo: "export the model with a float32 input",
  });
}

function sameQuantizer(graph: Graph, node: Node, other: Node): boolean {
  if (node.opType !== other.opType) return false;
  const values = ({ inputs }: Node) => inputs.slice(1).map((name) => graph.initializers.get(name)?.data.join());
  return values(node).join(";") === values(other).join(";");
}

/** A graph that answers with real numbers, whatever codes its last operator writes. @throws NO_SHAPE where those are no numbers of classes */
export function realOutput(graph: Graph): Graph {
  const output = graph.outputs[0]!;
  const last = graph.nodes.find(({ outputs }) => outputs.includes(output.name));
  if (last?.opType === "QuantizeLinear") {
    const name = freshName(graph, `${output.name}_dequantized`);
    const dequantize: Node = {
      name,
      opType: "DequantizeLinear",
      domain: "",
      inputs: [output.name, ...last.inputs.slice(1)],
      outputs: [name],
      attributes: {},
    };
    return { ...graph, nodes: [...graph.nodes, dequantize], outputs: [{ name }] };
  }
  const type = inferTypes(graph).get(output.name)?.type;
  if (type === "float32") return graph;
  throw new LichenError("NO_SHAPE", {
    at: `output ${output.name}`,
    found: `${type}${last ? ` from ${last.opType}` : ""}`,
    wanted: "float32[N, classes]",
    ...(last && { todo: `name with --output what comes before it: ${last.inputs[0]}` }),
  });
}
