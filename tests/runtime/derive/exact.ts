import { expect } from "vitest";
import { type Base, prepareBase } from "../../../runtime/derive/base.ts";
import { deriveDeploy } from "../../../runtime/derive/deploy.ts";
import { deriveEvaluation } from "../../../runtime/derive/evaluation.ts";
import { derivePrefix } from "../../../runtime/derive/prefix.ts";
import { openSession, type Tensors } from "../../../runtime/execute/session.ts";
import { asModel } from "../../../runtime/onnx/builder.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { sliceRows, type Tensor } from "../../../runtime/onnx/tensor.ts";
import { cut } from "../../../runtime/passes/cut.ts";
import { makePlan, type Plan, startParameters } from "../../../runtime/plan/plan.ts";
import { inferTypes } from "../../../runtime/shapes/infer.ts";
import { noise, random } from "../toy.ts";

/** Those that fold into the base's own constants. */
export const FOLDING = [
  "head",
  "bias",
  "head+bias",
  "scale",
  "bias+scale",
  "sparse",
  "sparse+scale",
  "layerwise",
  "lora",
  "lora:down=trained+bias",
  "full",
] as const;

export const MODULES = ["adapter", "prompt", "adapter+bias+scale"] as const;

/** How far parameters are moved: not at all, to where training ends, and further than it ever comes. */
const SIZES = [0, 0.05, 1];

export async function run(model: Model | Uint8Array, inputs: Tensors, threads = 1): Promise<Record<string, Tensor>> {
  const session = await openSession(model, { threads });
  try {
    return await session.run(inputs);
  } finally {
    await session.close();
  }
}

/** Parameters away from their start; the start itself at size 0. */
export function parametersOf(plan: Plan, size: number, next: () => number): Record<string, Tensor> {
  const start = startParameters(plan);
  return size === 0
    ? start
    : Object.fromEntries(plan.parameters.map(({ name, dims }) => [name, noise(dims, next, size)]));
}

/**
 * That the evaluation graph, fed from the cached frontier, answers what the deployed model answers, to the bit; and that where training
 * starts, both are the base.
 * @param batch how many samples go through both at once
 */
export async function expectExact(
  model: Model,
  method: string,
  { batch = 5, threads = 1, range = 2 }: { batch?: number; threads?: number; range?: number } = {},
): Promise<void> {
  const base = prepareBase(model);
  const plan = makePlan(base, method);
  const next = random(7);
  const features = noise([batch, ...(base.input.shape.slice(1) as number[])], next, range);
  const prefix = derivePrefix(plan);
  const input = { [base.input.name]: features };
  const cached = prefix ? await run(prefix, input, threads) : input;
  const evaluation = await deriveEvaluation(plan);
  for (const size of SIZES) {
    const parameters = parametersOf(plan, size, next);
    const trained = (await run(evaluation, { ...cached, ...parameters }, threads))[base.logits.name]!;
    const deployed = await deriveDeploy(plan, parameters);
    const logits = beforeEnd(deployed, base);
    const served = (await run(logits, input, threads))[base.logits.name]!;
    expect(trained.data, `moved by ${size}`).toEqual(served.data);
    const last = { [base.input.name]: sliceRows(features, batch - 1, batch) };
    expect((await run(logits, last))[base.logits.name]!.data, "a sample alone").toEqual(
      sliceRows(served, batch - 1, batch).data,
    );
    if (size > 0) continue;
    expect(new Set(served.data as Float32Array).size, "answers that differ").toBeGreaterThan(
      batch > 1 ? base.classes : 1,
    );
    const [before, after] = [await run(asModel(base.graph), input, threads), await run(deployed, input, threads)];
    expect(after[base.output.name]!.data, "the start").toEqual(before[base.output.name]!.data);
  }
}

/** A deployed model without the activation behind its logits. */
const beforeEnd = ({ graph }: Model, { input, logits, output }: Base): Model =>
  asModel(logits.name === output.name ? graph : cut(graph, inferTypes(graph), [input.name], [logits.name]));
