import { expect } from "vitest";
import { type Base, prepareBase } from "../../../runtime/derive/base.ts";
import { deriveDeploy } from "../../../runtime/derive/deploy.ts";
import { deriveEvaluation } from "../../../runtime/derive/evaluation.ts";
import { derivePrefix } from "../../../runtime/derive/prefix.ts";
import { replaceHead } from "../../../runtime/derive/replace.ts";
import { openSession, type Tensors } from "../../../runtime/execute/session.ts";
import { asModel } from "../../../runtime/onnx/builder.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
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
  "sparse:unit=weight",
  "layerwise",
  "lora",
  "lora:down=trained+bias",
  "full",
] as const;

export const MODULES = ["adapter", "prompt", "prompt:form=border", "adapter+bias+scale"] as const;

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

export interface ExactOptions {
  /** How many samples go through both at once. */
  batch?: number;
  threads?: number;
  /** How far features reach. */
  range?: number;
  /** Whether the model is known to tell samples apart, so that answers that are all the same would prove nothing. */
  lively?: boolean;
  /** Whether a sample alone must have the answer that it has among others; what sums in float between quantizers may round otherwise. */
  alone?: boolean;
  /** Classes in the place of the model's own; its own, when absent. */
  replaced?: number;
}

/**
 * That the evaluation graph, fed from the cached frontier, answers what the deployed model answers, to the bit; and that where training
 * starts, both are the base.
 */
export async function expectExact(
  model: Model,
  method: string,
  { batch = 5, threads = 1, range = 2, lively = true, alone = true, replaced }: ExactOptions = {},
): Promise<void> {
  const base = replaced === undefined ? prepareBase(model) : replaceHead(prepareBase(model), replaced);
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
    // As files, since that is what is served, and ONNX Runtime takes more liberties with them.
    const logits = encodeModel(beforeEnd(deployed, base));
    const served = (await run(logits, input, threads))[base.logits.name]!;
    expect(trained.data, `moved by ${size}`).toEqual(served.data);
    if (alone) {
      const last = { [base.input.name]: sliceRows(features, batch - 1, batch) };
      const answer = (await run(logits, last))[base.logits.name]!;
      expect(answer.data, "a sample alone").toEqual(sliceRows(served, batch - 1, batch).data);
    }
    // Rows of other classes are zeros at first.
    if (lively && size === (replaced === undefined ? 0 : 0.05)) {
      const answers = new Set(served.data as Float32Array).size;
      expect(answers, "answers that differ").toBeGreaterThan(batch > 1 ? base.classes : 1);
    }
    if (size > 0) continue;
    const [before, after] = [asModel(base.graph), deployed].map((each) => run(encodeModel(each), input, threads));
    expect((await after!)[base.output.name]!.data, "the start").toEqual((await before!)[base.output.name]!.data);
  }
}

/** A deployed model without the activation behind its logits. */
const beforeEnd = ({ graph }: Model, { input, logits, output }: Base): Model =>
  asModel(logits.name === output.name ? graph : cut(graph, inferTypes(graph), [input.name], [logits.name]));
