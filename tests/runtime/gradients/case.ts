import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { decodeSafetensors } from "../../../runtime/adapter/safetensors.ts";
import { openSession, type Tensors } from "../../../runtime/execute/session.ts";
import { backward } from "../../../runtime/gradients/backward.ts";
import { type AttributeValue, asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Dim, Graph, ValueName } from "../../../runtime/onnx/graph.ts";
import { ELEMENTS, type ElementArray, type ElementType, type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";
import { inferTypes } from "../../../runtime/shapes/infer.ts";

/** Nested lists, as JSON has them, under their element type: `{ "int64": [[0, 1], [2, 3]] }`. */
type Constant = Partial<Record<ElementType, Nested>>;
type Nested = number | boolean | Nested[];

export interface GradientCase {
  name: string;
  op: string;
  /** Shapes of the float inputs x0, x1, …, whose gradients are compared. */
  inputs: number[][];
  /** What stands at other operands, by their position; null for an absent one. */
  constants?: Record<number, Constant | null>;
  /** Which input stands at each operand that is no constant; in order when absent. */
  operands?: number[];
  attributes?: Record<string, AttributeValue>;
  /** Inputs without a gradient by definition, such as a running mean. */
  frozen?: number[];
  /** How many outputs the node has, and which of them the loss depends on: all when absent. */
  outputs?: number;
  used?: number[];
  /** For the script that makes the inputs: which are at least 0.5, how wide they spread, and what values they keep away from. */
  positive?: number[];
  range?: number;
  kinks?: number[];
}

const folder = new URL(".", import.meta.url);
const namesIn = (name: string) =>
  readdirSync(new URL(name, folder)).map((file) => basename(basename(file, ".json"), ".safetensors"));

export const CASES: GradientCase[] = namesIn("cases").flatMap((family) =>
  JSON.parse(readFileSync(new URL(`cases/${family}.json`, folder), "utf8")),
);

const reference = new Map(
  namesIn("reference").flatMap((family) => {
    const file = `reference/${family}.safetensors`;
    return [...decodeSafetensors(readFileSync(new URL(file, folder)), file).tensors];
  }),
);

/** A value that PyTorch computed. @see scripts/references/gradients.py */
export function referenceValue(name: string): Tensor {
  const value = reference.get(name);
  if (!value) throw new Error(`no reference value ${name}: run scripts/references/gradients.py`);
  return value;
}

export const usedOutputs = (test: GradientCase): number[] => test.used ?? [...Array(test.outputs ?? 1).keys()];

export const differentiated = (test: GradientCase): number[] =>
  [...test.inputs.keys()].filter((at) => !test.frozen?.includes(at));

/** The inputs of a case, under the names of its graph. */
export const caseInputs = (test: GradientCase): Record<string, Tensor> =>
  Object.fromEntries(test.inputs.map((_, at) => [`x${at}`, referenceValue(`${test.name}/x${at}`)]));

/**
 * An operator with its backward graph: (x0, x1, …, dy0, …) → (y0, …, dx0, dx1, …).
 * @param shapes of the inputs, where they are not fixed
 */
export function caseGraph(test: GradientCase, shapes: readonly (readonly Dim[])[] = test.inputs): Graph {
  const b = new GraphBuilder();
  const xs = shapes.map((dims, at) => b.input(`x${at}`, "float32", dims));
  const ys = b.addMany(test.op, operandsOf(test, xs, b), test.outputs ?? 1, test.attributes);
  const forward = b.build("forward");
  const types = inferTypes(forward);
  const used = usedOutputs(test);
  const seeds = used.map((at): [ValueName, ValueName] => {
    const { type, shape } = types.get(ys[at]!)!;
    return [ys[at]!, b.input(`dy${at}`, type, shape)];
  });
  const wanted = differentiated(test).map((at) => xs[at]!);
  const nodes = [...forward.nodes];
  const gradients = backward(b, { nodes, type: (name) => types.get(name)!, seeds: new Map(seeds), wanted });
  for (const at of used) b.alias(`y${at}`, ys[at]!);
  for (const x of wanted) b.alias(`d${x}`, gradients.get(x)!);
  for (const name of [...used.map((at) => `y${at}`), ...wanted.map((x) => `d${x}`)]) b.output(name);
  return b.build("case");
}

/** The inputs' shapes with the first axis open: that of the largest inputs, as a batch is. */
export function batchedShapes({ inputs }: GradientCase): Dim[][] {
  const rank = Math.max(...inputs.map((dims) => dims.length));
  const batch = inputs.find((dims) => dims.length === rank)![0];
  return inputs.map((dims) => (rank > 1 && dims.length === rank && dims[0] === batch ? ["N", ...dims.slice(1)] : dims));
}

export async function runCase(graph: Graph, inputs: Tensors): Promise<Record<string, Tensor>> {
  const session = await openSession(asModel(graph));
  try {
    return await session.run(inputs);
  } finally {
    await session.close();
  }
}

/** Largest difference, relative to the largest reference value. */
export function relativeError(found: Tensor, wanted: Tensor): number {
  expectSameShape(found, wanted);
  let largest = 1e-6;
  let error = 0;
  for (const [at, value] of (wanted.data as Float32Array).entries()) {
    largest = Math.max(largest, Math.abs(value));
    error = Math.max(error, Math.abs((found.data[at] as number) - value));
  }
  return error / largest;
}

function expectSameShape(found: Tensor, wanted: Tensor): void {
  if (found.dims.join() !== wanted.dims.join()) throw new Error(`shape [${found.dims}] instead of [${wanted.dims}]`);
}

function operandsOf(test: GradientCase, xs: readonly ValueName[], b: GraphBuilder): ValueName[] {
  const variables = (test.operands ?? [...xs.keys()]).map((at) => xs[at]!);
  const constants = test.constants ?? {};
  return Array.from({ length: variables.length + Object.keys(constants).length }, (_, at) => {
    const constant = constants[at];
    if (constant === undefined) return variables.shift()!;
    return constant === null ? "" : b.constant("operand", constantTensor(constant));
  });
}

function constantTensor(constant: Constant): Tensor {
  const [type, nested] = Object.entries(constant)[0] as [ElementType, Nested];
  const dims: number[] = [];
  for (let level: Nested | undefined = nested; Array.isArray(level); level = level[0]) dims.push(level.length);
  const elements = flattened(nested);
  const data = type === "int64" ? BigInt64Array.from(elements, BigInt) : new ELEMENTS[type](elements.length);
  if (type !== "int64") (data as Float32Array).set(elements);
  return tensor(type, dims, data as ElementArray);
}

const flattened = (nested: Nested): number[] => (Array.isArray(nested) ? nested.flatMap(flattened) : [Number(nested)]);
