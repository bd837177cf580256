import fc from "fast-check";
import { expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { type Budget, excesses, overBudget } from "../../../runtime/plan/budget.ts";
import { nearestPlan } from "../../../runtime/plan/nearest.ts";
import { makePlan } from "../../../runtime/plan/plan.ts";
import { predict } from "../../../runtime/plan/predict.ts";
import { toyModel } from "../toy.ts";

const base = prepareBase(toyModel());
const throughput = { multiplyAccumulates: 1e9, elements: 3e7 };
const costs = { batch: 16, optimizer: "adam", rows: 100, epochs: 10, throughput } as const;

it("what is not bounded is never exceeded; what is, is named with both numbers", () => {
  const prediction = predict(makePlan(base, "bias"), costs);
  expect(excesses(prediction, {})).toEqual([]);
  const budget = {
    memoryBytes: prediction.trainingStateBytes,
    seconds: 1e-9,
    adapterBytes: prediction.adapterBytes - 1,
  };
  expect(excesses(prediction, budget)).toEqual([
    { what: "seconds", predicted: prediction.seconds!.training, allowed: 1e-9 },
    { what: "adapter", predicted: prediction.adapterBytes, allowed: prediction.adapterBytes - 1 },
  ]);
});

it.each(["bias", "full", "lora:rank=2", "head+scale"])(
  "whatever the budget, the nearest plan of %s keeps it",
  (method) => {
    const plan = makePlan(base, method);
    const whole = predict(plan, costs);
    const share = fc.double({ min: 0.2, max: 1.1, noNaN: true });
    fc.assert(
      fc.property(share, share, share, (memory, seconds, adapter) => {
        const budget: Budget = {
          memoryBytes: whole.trainingStateBytes * memory,
          seconds: whole.seconds!.training * seconds,
          adapterBytes: whole.adapterBytes * adapter,
        };
        const nearest = nearestPlan({ base, plan }, costs, budget);
        if (!nearest) return;
        expect(excesses(predict(nearest.plan, { ...costs, batch: nearest.batch }), budget)).toEqual([]);
        expect(nearest.plan.trainableParameters).toBeLessThanOrEqual(plan.trainableParameters);
        if (excesses(whole, budget).length === 0) expect(nearest).toMatchObject({ plan, batch: 16 });
      }),
      { numRuns: 12 },
    );
  },
);

it("a smaller batch comes before fewer layers, where memory is all that lacks", () => {
  const plan = makePlan(base, "bias");
  const half = predict(plan, { ...costs, batch: 8 }).trainingStateBytes;
  expect(nearestPlan({ base, plan }, costs, { memoryBytes: half })).toMatchObject({ plan, batch: 8 });
});

it("the earliest layers are given up first, and settings stay", () => {
  const plan = makePlan(base, "lora:rank=2");
  const last = predict(makePlan(base, "lora:rank=2", { targets: ["head"] }), costs).adapterBytes;
  const nearest = nearestPlan({ base, plan }, costs, { adapterBytes: last });
  expect(nearest!.plan.spec).toEqual([{ method: "lora", at: "head", settings: { rank: 2, down: "frozen" } }]);
});

it("there may be none", () => {
  const plan = makePlan(base, "head");
  expect(nearestPlan({ base, plan }, costs, { adapterBytes: 10 })).toBeNull();
});

it("a refusal says bytes in the units that budgets are given in, and to the byte where a unit was forgotten", () => {
  const prediction = predict(makePlan(base, "bias"), costs);
  const least = { ...prediction, trainingStateBytes: 5 * 2 ** 19, adapterBytes: 1536 };
  const budget: Budget = { memoryBytes: 32, adapterBytes: 64 };
  const { message } = overBudget(excesses(least, budget), null, least, budget);
  expect(message).toContain("found 2.5 MiB, 1.5 KiB; wanted at most 32 B, at most 64 B)");
});
