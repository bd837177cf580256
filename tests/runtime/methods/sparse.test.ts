import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { chosenWeights, weightsOf } from "../../../runtime/methods/single-weights.ts";
import { chosen } from "../../../runtime/methods/sparse.ts";
import { elementCount } from "../../../runtime/onnx/tensor.ts";
import { sharedCosts } from "../../../runtime/plan/costs.ts";
import { makePlan, planOf } from "../../../runtime/plan/plan.ts";
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

describe("single weights", () => {
  const sizeOf = (name: string) => elementCount(base.layers.find((layer) => layer.name === name)!.weight!.dims);
  const weightsBy = (worth: Record<string, Record<number, number>>) =>
    new Map(
      base.layers.map(({ name }) => [
        weightsOf(name),
        Float32Array.from({ length: sizeOf(name) }, (_, at) => worth[name]?.[at] ?? 0),
      ]),
    );
  const all = base.layers.reduce((sum, { name }) => sum + sizeOf(name), 0);
  const weightsIn = (method: string, importance?: ReadonlyMap<string, Float32Array>) =>
    Object.fromEntries(
      makePlan(base, method, importance && { importance }).targets.map(({ layer, parts }) => [
        layer.name,
        chosenWeights(layer, parts[0]!.settings),
      ]),
    );

  it("are those that matter most, in whichever layer; a layer without any is left out", () => {
    const importance = weightsBy({ stem: { 3: 5, 40: 9 }, head: { 7: 6, 8: 1 } });
    expect(weightsIn(`sparse:unit=weight,share=${3 / all}`, importance)).toEqual({ stem: [3, 40], head: [7] });
  });

  it("are a share of each layer where nothing was measured", () => {
    for (const [name, chosen] of Object.entries(weightsIn("sparse:unit=weight,share=0.5")))
      expect(chosen).toHaveLength(Math.round(sizeOf(name) / 2));
  });

  it("make an adapter of as many numbers, and a bit for each that there is", () => {
    const plan = makePlan(base, "sparse:unit=weight,share=0.1");
    expect(plan.trainableParameters).toBe(
      base.layers.reduce((sum, { name }) => sum + Math.max(1, Math.round(sizeOf(name) / 10)), 0),
    );
    for (const { at, settings } of plan.spec)
      expect(Buffer.from(settings.weights as string, "base64")).toHaveLength(Math.ceil(sizeOf(at) / 8));
    expect(planOf(base, plan.spec, plan.method).parameters).toEqual(plan.parameters);
  });
});
