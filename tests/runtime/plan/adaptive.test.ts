import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { ADAPTIVE, assertWithinBudget, type Budget, DEFAULT_BUDGET, planFor } from "../../../runtime/plan/index.ts";
import { planOf } from "../../../runtime/plan/plan.ts";
import type { Importance } from "../../../runtime/plan/spec.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { toyModel } from "../toy.ts";

const base = prepareBase(toyModel());
const training = { batch: 8, optimizer: "adam", rows: 48 } as const;

/** Random, but that one layer matters a thousand times more than the others. */
function importanceOf(favourite: string): Importance {
  const next = seeded(5);
  return new Map(
    base.layers.map(({ name, outChannels }) => [
      name,
      Float32Array.from({ length: outChannels }, () => next() * (name === favourite ? 1000 : 1)),
    ]),
  );
}

const adaptive = (favourite: string, budget = {}) =>
  planFor(base, ADAPTIVE, { importance: importanceOf(favourite), budget, training });

describe("adaptive", () => {
  it("trains everything where everything fits", () => {
    const { plan, explanation } = adaptive("pointwise", { memoryBytes: 1e9, adapterBytes: 1e9 });
    expect(plan.trainableParameters).toBe(planFor(base, "full", { training }).plan.trainableParameters);
    expect(explanation).toMatchObject({ from: "stem", depth: 3, next: [] });
    expect(explanation!.layers.map(({ choice }) => choice)).toEqual(["whole", "whole", "whole", "whole"]);
  });

  it.each(["stem", "depthwise", "pointwise"])("spends a small budget where it matters: %s", (favourite) => {
    const all = planFor(base, "full", { training }).prediction.adapterBytes;
    const head = planFor(base, "head", { training }).prediction.adapterBytes;
    const { plan, exceeded, explanation } = adaptive(favourite, { adapterBytes: (all + head) / 2 });
    expect(exceeded).toEqual([]);
    const bytes = new Map(explanation!.layers.map((layer) => [layer.at, layer.bytes]));
    const others = ["stem", "depthwise", "pointwise"].filter((name) => name !== favourite);
    for (const other of others) expect(bytes.get(favourite) ?? 0, other).toBeGreaterThanOrEqual(bytes.get(other) ?? 0);
    expect(plan.targets.map(({ layer }) => layer.name)).toContain("head");
  });

  it("takes less when it may take less, and says what would come next", () => {
    const wide = adaptive("pointwise", { memoryBytes: 1e9, adapterBytes: 1e9 });
    const narrow = adaptive("pointwise", { adapterBytes: wide.prediction.adapterBytes - 1 });
    expect(narrow.exceeded).toEqual([]);
    expect(narrow.plan.trainableParameters).toBeLessThan(wide.plan.trainableParameters);
    expect(narrow.explanation!.next.length).toBeGreaterThan(0);
    const tried = narrow.explanation!.depths.map(({ depth }) => depth);
    expect(tried).toEqual([3, 2, 1, 0].slice(0, tried.length));
  });

  it("is the same every time, and is made again from its spec", () => {
    const budget = { adapterBytes: 3000 };
    const [first, second] = [adaptive("stem", budget), adaptive("stem", budget)];
    expect(second.plan.spec).toEqual(first.plan.spec);
    const again = planOf(base, JSON.parse(JSON.stringify(first.plan.spec)), ADAPTIVE);
    expect(again.parameters.map(({ name, dims }) => [name, dims])).toEqual(
      first.plan.parameters.map(({ name, dims }) => [name, dims]),
    );
  });

  it("keeps a step small for a base that is nearly right, and spares nothing for one that is lost", () => {
    const scaled = (factor: number): Importance =>
      new Map([...importanceOf("stem")].map(([name, values]) => [name, values.map((value) => value * factor)]));
    const budgets = [1e-5, 1].map(
      (factor) => planFor(base, ADAPTIVE, { importance: scaled(factor), training }).budget,
    ) as [Budget, Budget];
    expect(budgets[0]).toEqual(DEFAULT_BUDGET);
    const { inferences: _, ...spare } = DEFAULT_BUDGET;
    expect(budgets[1]).toEqual(spare);
    expect(planFor(base, ADAPTIVE, { training }).budget).toEqual(DEFAULT_BUDGET);
  });

  it("may be kept to some layers", () => {
    const { plan } = planFor(base, ADAPTIVE, {
      importance: importanceOf("stem"),
      budget: { memoryBytes: 1e9, adapterBytes: 1e9 },
      targets: ["pointwise"],
      training,
    });
    expect(plan.targets.map(({ layer }) => layer.name)).toEqual(["pointwise", "head"]);
  });
});

it("a budget that nothing fits is refused, with what the least would be", () => {
  const planned = planFor(base, "bias", { budget: { adapterBytes: 100 }, training });
  expect(planned.nearest).toBeNull();
  expect(planned.least.adapterBytes).toBeLessThan(planned.prediction.adapterBytes);
  const least = (planned.least.adapterBytes / 1024).toFixed(1);
  expect(() => assertWithinBudget(planned)).toThrow(
    new RegExp(`^BUDGET_EXCEEDED: .*adapter.*at most 100 B.*allow it more.*takes ${least} KiB`),
  );
});

it("a plan over its budget is refused with the nearest that fits", () => {
  const head = planFor(base, "bias", { targets: ["head"], training }).prediction.adapterBytes;
  const planned = planFor(base, "bias", { budget: { adapterBytes: head }, training });
  expect(planned.nearest!.plan.targets.map(({ layer }) => layer.name)).toEqual(["head"]);
  expect(() => assertWithinBudget(planned)).toThrow(/^BUDGET_EXCEEDED: .*train what fits: bias from head on, 4 param/);
  expect(() => assertWithinBudget(planFor(base, "bias", { budget: { adapterBytes: 1e6 }, training }))).not.toThrow();
});
