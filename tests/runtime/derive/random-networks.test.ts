import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { deriveDeploy } from "../../../runtime/derive/deploy.ts";
import { deriveEpoch, EPOCH } from "../../../runtime/derive/epoch.ts";
import { deriveEvaluation } from "../../../runtime/derive/evaluation.ts";
import { derivePrefix } from "../../../runtime/derive/prefix.ts";
import { errorCode } from "../../../runtime/errors.ts";
import type { Tensors } from "../../../runtime/execute/session.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { float32, int64, scalar } from "../../../runtime/onnx/tensor.ts";
import { makePlan, type Plan, startParameters } from "../../../runtime/plan/plan.ts";
import { softmax } from "../../../runtime/train/score.ts";
import { noise, random } from "../toy.ts";
import { expectExact, FOLDING, MODULES, run } from "./exact.ts";
import { CLASSES, network, recipes } from "./random-networks.ts";

/** More by hand: `LICHEN_RANDOM_NETWORKS=500`. */
const RUNS = Number(process.env.LICHEN_RANDOM_NETWORKS ?? 40);
const BATCH = 3;
const RATE = 0.01;

const method = fc.constantFrom(...FOLDING, ...MODULES);
const given = { numRuns: RUNS, interruptAfterTimeLimit: RUNS > 40 ? 3_000_000 : 6_000 };

it("what is trained is what is served in any quantized network, and starts as the base", async () => {
  const property = fc.asyncProperty(recipes(true), method, async (recipe, method) => {
    const model = network(recipe);
    fc.pre(finds(model, method));
    await expectExact(model, method, { batch: BATCH, lively: false, alone: false });
  });
  await fc.assert(property, given);
}, 3_600_000);

describe.each([true, false])("quantized: %s", (quantized) => {
  it("a step takes any network down its loss", async () => {
    const property = fc.asyncProperty(recipes(quantized), method, async (recipe, method) => {
      const model = network(recipe);
      fc.pre(finds(model, method));
      const plan = makePlan(prepareBase(model), method);
      const input = { [plan.base.input.name]: noise([BATCH, ...sampleDims(plan)], random(recipe.seed), 1.5) };
      const prefix = derivePrefix(plan);
      const frontier = prefix ? await run(prefix, input) : input;
      const evaluation = await deriveEvaluation(plan);
      const lossAt = async (parameters: Tensors) =>
        meanLoss((await run(evaluation, { ...frontier, ...parameters }))[plan.base.logits.name]!.data as Float32Array);

      const start = startParameters(plan);
      const { loss, parameters } = await oneStep(plan, frontier, start);
      expect(loss).toBeCloseTo(await lossAt(start), 4);
      for (const [name, { data }] of Object.entries(parameters))
        expect((data as Float32Array).every(Number.isFinite), name).toBe(true);
      if (quantized) return;
      expect(await lossAt(parameters)).toBeLessThanOrEqual(loss + 1e-5);
      // Float sums have no order of their own: near is all that can be asked for.
      const deployed = await deriveDeploy(plan, parameters);
      if (plan.base.logits.name !== plan.base.output.name) return;
      const served = (await run(deployed, input))[plan.base.output.name]!.data as Float32Array;
      const trained = (await run(evaluation, { ...frontier, ...parameters }))[plan.base.logits.name]!
        .data as Float32Array;
      for (const [at, value] of served.entries()) expect(Math.abs(value - trained[at]!)).toBeLessThan(1e-4);
    });
    await fc.assert(property, given);
  }, 3_600_000);
});

/** One step of gradient descent over one batch. */
async function oneStep(plan: Plan, frontier: Tensors, start: Tensors) {
  const terms = [{ loss: "cross-entropy", weight: 1 }] as const;
  const epoch = await deriveEpoch(plan, { optimizer: "sgd", terms, gradientNorm: 1 });
  const names = plan.parameters.map(({ name }) => name);
  const slots = epoch.graph.inputs.filter(({ name }) => name.startsWith(EPOCH.start("")));
  const results = await run(epoch, {
    ...Object.fromEntries(plan.frontier.map((name) => [EPOCH.cache(name), frontier[name]!])),
    [EPOCH.labels]: int64(LABELS),
    [EPOCH.order]: { ...int64(LABELS.map((_, at) => at)), dims: [1, BATCH] },
    [EPOCH.shares]: float32([1, BATCH], Array(BATCH).fill(1 / BATCH)),
    [EPOCH.learningRates]: float32([1], [RATE]),
    [EPOCH.stepsBefore]: scalar("float32", 0),
    ...Object.fromEntries(slots.map(({ name, shape }) => [name, noise(shape as number[], () => 0.5)])),
    ...Object.fromEntries(names.map((name) => [EPOCH.start(name), start[name]!])),
  });
  return {
    loss: (results[EPOCH.losses]!.data as Float32Array)[0]!,
    parameters: Object.fromEntries(names.map((name) => [name, results[EPOCH.next(name)]!])),
  };
}

const LABELS = Array.from({ length: BATCH }, (_, at) => at % CLASSES);

function meanLoss(logits: Float32Array): number {
  const losses = LABELS.map(
    (label, at) => -Math.log(softmax(logits.subarray(at * CLASSES, (at + 1) * CLASSES))[label]!),
  );
  return losses.reduce((sum, loss) => sum + loss, 0) / BATCH;
}

const sampleDims = ({ base }: Plan) => base.input.shape.slice(1) as number[];

/** Not every network has something for every method: no residual sum, say. */
function finds(model: Model, method: string): boolean {
  try {
    makePlan(prepareBase(model), method);
    return true;
  } catch (error) {
    if (errorCode(error) === "NOTHING_TO_TRAIN") return false;
    throw error;
  }
}
