import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { openSession, type Tensors } from "../../../runtime/execute/session.ts";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { WRITTEN_OPSET } from "../../../runtime/onnx/builder.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import type { Graph, Model } from "../../../runtime/onnx/graph.ts";
import { elementCount, type Tensor } from "../../../runtime/onnx/tensor.ts";
import { sha256 } from "../../../runtime/package/package.ts";
import { noise, random } from "../toy.ts";

export const BATCH = 3;

/** Noise for the inputs of a model, symbolic sizes as `BATCH`. */
export function inputsOf(model: Model, seed = 7): Record<string, Tensor> {
  const next = random(seed);
  const fixed = (shape: readonly (number | string)[]) => shape.map((dim) => (typeof dim === "string" ? BATCH : dim));
  return Object.fromEntries(model.graph.inputs.map(({ name, shape }) => [name, noise(fixed(shape), next, 3)]));
}

/** What ONNX Runtime makes of a model as of any file. */
export async function outputsOf(model: Model, inputs: Tensors): Promise<Record<string, Tensor>> {
  const session = await openSession(encodeModel(model));
  try {
    return await session.run(inputs);
  } finally {
    await session.close();
  }
}

/** Largest difference between the outputs of a model and of its normalized form. */
export async function difference(model: Model, inputs: Tensors = inputsOf(model)): Promise<number> {
  const normalized = normalizeModel(model);
  expect({ opset: normalized.opset, domains: normalized.domains }).toEqual({ opset: WRITTEN_OPSET, domains: {} });
  const [before, after] = [await outputsOf(model, inputs), await outputsOf(normalized, inputs)];
  expect(Object.keys(after)).toEqual(Object.keys(before));
  const differences = Object.entries(before).map(([name, { type, dims, data }]) => {
    expect({ name, type: after[name]!.type, dims: after[name]!.dims }).toEqual({ name, type, dims });
    const values = Array.from<number | bigint, number>(data, Number);
    expect(new Set(values).size, `${name} says something`).toBeGreaterThan(Math.min(elementCount(dims), 2) - 1);
    return Math.max(...values.map((value, at) => Math.abs(value - Number(after[name]!.data[at]))));
  });
  return Math.max(...differences);
}

/** The operators that ONNX Runtime really runs, by count. */
export async function executed(model: Model): Promise<Record<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), "lichen-normalize-"));
  try {
    const path = join(folder, "optimized.onnx");
    await (await openSession(encodeModel(model), { optimizedModelPath: path })).close();
    return operatorCounts(decodeModel(await readFile(path), path).graph);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export function operatorCounts({ nodes }: Graph): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { opType } of nodes) counts[opType] = (counts[opType] ?? 0) + 1;
  return counts;
}

/** That a normalized model is a fixed point, to the byte. */
export function expectSettled(model: Model): void {
  const once = normalizeModel(model);
  const twice = normalizeModel(once);
  const listed = ({ graph }: Model) => [
    ...graph.nodes.map(({ inputs, outputs }) => `${inputs} → ${outputs}`),
    ...graph.initializers.keys(),
  ];
  expect(listed(twice)).toEqual(listed(once));
  expect(sha256(encodeModel(twice))).toEqual(sha256(encodeModel(once)));
}
