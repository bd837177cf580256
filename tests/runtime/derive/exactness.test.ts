import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { deriveDeploy } from "../../../runtime/derive/deploy.ts";
import { deriveEvaluation } from "../../../runtime/derive/evaluation.ts";
import { derivePrefix } from "../../../runtime/derive/prefix.ts";
import { openSession, type Tensors } from "../../../runtime/execute/session.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import type { Tensor } from "../../../runtime/onnx/tensor.ts";
import { makePlan } from "../../../runtime/plan/plan.ts";
import { noise, random, TOY, toyModel } from "../toy.ts";

async function run(model: Model, inputs: Tensors): Promise<Record<string, Tensor>> {
  const session = await openSession(model);
  try {
    return await session.run(inputs);
  } finally {
    await session.close();
  }
}

const VARIANTS = [
  {},
  { quantizedLogits: true },
  { transB: 0 },
  { transB: 0, quantizedLogits: true },
  { reducedRange: false },
] as const;

describe.each([
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
  "adapter",
  "prompt",
  "prompt:form=border",
])("what is trained is what is served: %s", (method) => {
  it.each(VARIANTS)("toy model %o", async (options) => {
    const base = prepareBase(toyModel(options));
    const plan = makePlan(base, method);
    const next = random(7);
    const features = noise([5, TOY.channels, TOY.height, TOY.width], next, 2);
    for (const size of [0, 0.05, 1]) {
      const parameters = Object.fromEntries(plan.parameters.map(({ name, dims }) => [name, noise(dims, next, size)]));
      const prefix = derivePrefix(plan);
      const cached = prefix ? await run(prefix, { [base.input.name]: features }) : { [base.input.name]: features };
      const trained = await run(await deriveEvaluation(plan), { ...cached, ...parameters });
      const served = await run(await deriveDeploy(plan, parameters), { [base.input.name]: features });
      expect(trained[base.logits.name]!.data).toEqual(served[base.logits.name]!.data);
      if (size === 0) {
        const untouched = await run(toyModel(options), { [base.input.name]: features });
        expect(served[base.logits.name]!.data).toEqual(untouched[base.logits.name]!.data);
      }
    }
  });
});
