import { expect, it } from "vitest";
import { parametersUnder } from "../../../runtime/adapter/parameters.ts";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { makePlan } from "../../../runtime/plan/plan.ts";
import { evaluate } from "../../../runtime/serve/evaluate.ts";
import { adapt } from "../../../runtime/train/adapt.ts";
import { toyPackage, toySamples } from "../toy.ts";

const model = toyPackage();
const samples = toySamples(60, 1);
/** What each epoch ends with is too little to be any better: what comes out is where it started. */
const still = { epochs: 1, learningRate: 1e-12, holdOut: 0.4 } as const;

it.each([
  "head",
  "bias+scale",
  "sparse:share=0.5",
  "sparse",
  "layerwise:layers=2,decay=0.5",
  "lora:rank=2",
  "lora:rank=3,down=trained+bias",
  "adapter:width=3",
  "prompt:form=border,width=0.2",
])("%s goes on where it stopped, whatever the new samples are", async (method) => {
  const first = await adapt({ model, samples, method, epochs: 4, learningRate: 0.01, holdOut: 0.4 });
  const heldOut = toySamples(40, 9);
  const served = await evaluate({ model, adapter: first.adapter, samples: heldOut });
  const { report, adapter } = await adapt({
    ...still,
    model,
    samples: toySamples(60, 7),
    heldOut,
    method,
    start: first.adapter,
  });
  expect(report.before.heldOut).toMatchObject({ accuracy: served.accuracy, loss: served.loss });
  expect(adapter.description.plan).toEqual(first.adapter.description.plan);
});

it.each([
  ["sparse:share=0.5", "sparse:share=0.75"],
  ["prompt", "prompt:form=border"],
  ["prompt:form=border,width=0.2", "prompt:form=border,width=0.4"],
  ["lora:rank=2", "lora:rank=3"],
  ["adapter:width=3", "adapter:width=4"],
])("what was trained as %s does not pass for %s", async (method, other) => {
  const { adapter } = await adapt({ ...still, model, samples, method });
  await expect(adapt({ ...still, model, samples, method: other, start: adapter })).rejects.toMatchObject({
    code: "BAD_ARGUMENT",
  });
});

it("parameters of other channels are not taken for those of a plan, though their shapes are the same", async () => {
  const { adapter } = await adapt({ ...still, model, samples, method: "sparse" });
  const base = prepareBase(model.model);
  const ranked = (worth: (channel: number) => number) => {
    const importance = base.layers.map(
      ({ name, outChannels }) => [name, Float32Array.from({ length: outChannels }, (_, at) => worth(at))] as const,
    );
    return makePlan(base, "sparse", { importance: new Map(importance) });
  };
  // At least one of the two has other channels than the adapter.
  const outcomes = [ranked((channel) => channel), ranked((channel) => -channel)].map((plan) => {
    try {
      return parametersUnder(adapter, plan);
    } catch (error) {
      return error;
    }
  });
  expect(outcomes).toContainEqual(expect.objectContaining({ code: "BAD_ARGUMENT" }));
});
