import { readFileSync } from "node:fs";
import { decodeSafetensors } from "../../../runtime/adapter/safetensors.ts";
import { openSession, type Tensors } from "../../../runtime/execute/session.ts";
import { backward } from "../../../runtime/gradients/backward.ts";
import { type AttributeValue, asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { ValueName } from "../../../runtime/onnx/graph.ts";
import { float32, type Tensor } from "../../../runtime/onnx/tensor.ts";
import { inferTypes } from "../../../runtime/shapes/infer.ts";

export interface GradientCase {
  name: string;
  op: string;
  inputs: number[][];
  /** Which input stands at each operand; in order when absent. */
  operands?: number[];
  bounds?: [number, number];
  attributes: Record<string, AttributeValue>;
}

const folder = new URL(".", import.meta.url);

export const CASES: GradientCase[] = JSON.parse(readFileSync(new URL("cases.json", folder), "utf8"));

const reference = decodeSafetensors(
  readFileSync(new URL("reference.safetensors", folder)),
  "reference.safetensors",
).tensors;

/** A value that PyTorch computed. @see scripts/references/gradients.py */
export function referenceValue(name: string): Tensor {
  const value = reference.get(name);
  if (!value) throw new Error(`no reference value ${name}: run scripts/references/gradients.py`);
  return value;
}

/** An operator with its backward graph: (x0, x1, …, dy) → (y, dx0, dx1, …). */
export async function openCase(test: GradientCase) {
  const b = new GraphBuilder();
  const xs = test.inputs.map((dims, at) => b.input(`x${at}`, "float32", dims));
  const operands = (test.operands ?? [...xs.keys()]).map((at) => xs[at]!);
  const bounds = (test.bounds ?? []).map((bound) => b.constant("bound", float32([], [bound])));
  const y = b.add(test.op, [...operands, ...bounds], test.attributes, "y");
  const forward = b.build("forward");
  const types = inferTypes(forward);
  const { type, shape } = types.get(y)!;
  const dy = b.input("dy", type, shape);
  const wanted: ValueName[] = xs;
  const gradients = backward(b, {
    nodes: [...forward.nodes],
    type: (name) => types.get(name)!,
    seeds: new Map([[y, dy]]),
    wanted,
  });
  b.output(y);
  for (const x of xs) {
    b.alias(`d${x}`, gradients.get(x)!);
    b.output(`d${x}`);
  }
  const session = await openSession(asModel(b.build("case")));
  return { run: (inputs: Tensors) => session.run(inputs), close: () => session.close(), outputShape: shape };
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
