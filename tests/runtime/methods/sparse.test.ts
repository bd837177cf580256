import { expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { chosen } from "../../../runtime/methods/sparse.ts";
import { sharedCosts } from "../../../runtime/plan/costs.ts";
import { makePlan } from "../../../runtime/plan/plan.ts";
import { toyModel } from "../toy.ts";

const base = prepareBase(toyModel());
const type = (name: string) => base.types.get(name)!;
const costs = sharedCosts(base.layers, type);

/** Worth of every channel; others are worth nothing. */
const importanceOf = (worth: Record<string, number[]>) =>
  new Map(
    base.layers.map(({ name, outChannels }) => [
      name,
      Float32Array.from({ length: outChannels }, (_, at) => worth[name]?.[at] ?? 0),
    ]),
  );

const channelsOf = (method: string, importance: ReadonlyMap<string, Float32Array>) =>
  Object.fromEntries(
    makePlan(base, method, { importance }).targets.map(({ layer, parts }) => [
      layer.name,
      chosen(layer, parts[0]!.settings),
    ]),
  );

it("costs of all channels of all layers add up to one", () => {
  const total = base.layers.reduce((sum, { name, outChannels }) => sum + outChannels * costs.get(name)!, 0);
  expect(total).toBeCloseTo(1, 12);
});

it("takes channels wherever they matter most, and leaves out layers where none does", () => {
  const importance = importanceOf({ depthwise: [0, 9, 0, 0, 0, 7, 0, 0], head: [0, 0, 0, 5] });
  const share = 2 * costs.get("depthwise")! + costs.get("head")!;
  expect(channelsOf(`sparse:share=${share}`, importance)).toEqual({ depthwise: [1, 5], head: [3] });
});

it("weighs what a channel is worth against what it costs", () => {
  const [cheap, dear] = ["depthwise", "stem"].map((name) => costs.get(name)!) as [number, number];
  expect(dear).toBeGreaterThan(cheap);
  const alike = importanceOf({ depthwise: [1], stem: [1] });
  expect(channelsOf(`sparse:share=${cheap}`, alike)).toEqual({ depthwise: [0] });
  const worthIt = importanceOf({ depthwise: [1], stem: [(2 * dear) / cheap] });
  expect(channelsOf(`sparse:share=${dear}`, worthIt)).toEqual({ stem: [0] });
});

it("never spends more than its share, but for the one channel that there has to be", () => {
  const importance = importanceOf(
    Object.fromEntries(base.layers.map(({ name }, at) => [name, [5, 1, 4, 2, 3, 6, 7, 8].map((n) => n + at)])),
  );
  for (const share of [0.05, 0.2, 0.5, 1]) {
    const found = channelsOf(`sparse:share=${share}`, importance);
    const spent = Object.entries(found).reduce((sum, [name, channels]) => sum + channels.length * costs.get(name)!, 0);
    expect(spent).toBeLessThanOrEqual(share + 1e-6);
    expect(spent).toBeGreaterThan(share - Math.max(...costs.values()) - 1e-6);
  }
  expect(Object.values(channelsOf("sparse:share=0.000001", importance)).flat()).toHaveLength(1);
});
