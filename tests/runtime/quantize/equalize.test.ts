import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asModel } from "../../../runtime/onnx/builder.ts";
import type { Graph } from "../../../runtime/onnx/graph.ts";
import type { Tensor } from "../../../runtime/onnx/tensor.ts";
import { channelFactors, equalizablePairs, equalized } from "../../../runtime/quantize/equalize.ts";
import { quantizeModel } from "../../../runtime/quantize/index.ts";
import { probe } from "../../../runtime/quantize/probe.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { answer, decibels, Grower, largestDifference, noise } from "./networks.ts";

const samples = Array.from({ length: 4 }, (_, at) => noise([4, 3, 8, 8], seeded(50 + at)));
const unseen = noise([16, 3, 8, 8], seeded(99));
const equalizedOf = async (graph: Graph) => equalized(graph, await probe(graph, samples[0]!), { samples, threads: 1 });

/** What a mobile block is made of: a pointwise layer, a depthwise one, and a pointwise one. */
const triplet = (spread: number, seed = 7) =>
  new Grower(seeded(seed))
    .conv(8, { kernel: 1, spread })
    .op("Relu")
    .depthwise(spread)
    .op("Relu")
    .conv(6, { kernel: 1 });

describe("cross-layer equalization", () => {
  it("leaves the float function as it is, to 1e-5", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1000), fc.integer({ min: 1, max: 12 }), async (seed, spread) => {
        const { graph } = triplet(spread, seed).op("Relu").head();
        const found = await equalizedOf(graph);
        expect(found).not.toBe(graph);
        const exact = await answer(asModel(graph), unseen);
        const size = Math.max(1, ...exact.map(Math.abs));
        expect(largestDifference(exact, await answer(asModel(found), unseen)) / size).toBeLessThan(1e-5);
      }),
      { numRuns: 10 },
    );
  });

  it("finds both pairs of a depthwise triplet, and those across pools", async () => {
    const { graph } = triplet(4).op("Relu").head();
    const pairs = equalizablePairs(graph, await probe(graph, samples[0]!));
    expect(pairs.map(({ first, second }) => `${first.opType} ${second.opType}`)).toEqual([
      ...["Conv Conv", "Conv Conv", "Conv Gemm"],
    ]);
  });

  it("does not reach across what is read twice, nor across what bends numbers", async () => {
    const grower = new Grower(seeded(8)).conv(6).op("Relu");
    const branch = grower.value;
    grower.conv(6).op("Sigmoid").plus(branch).conv(4);
    const { graph } = grower.head();
    const pairs = equalizablePairs(graph, await probe(graph, samples[0]!));
    expect(pairs.map(({ second }) => second.opType)).toEqual(["Gemm"]);
  });

  it("brings a network with channels of different reach closer to float in int8", async () => {
    const model = triplet(12).op("Relu").head();
    const exact = await answer(model, unseen);
    const plain = decibels(exact, await answer(await quantizeModel(model, { samples }), unseen));
    const better = decibels(exact, await answer(await quantizeModel(model, { samples, equalize: true }), unseen));
    expect(better).toBeGreaterThan(plain + 3);
  });

  it("does not let a channel grow into a Clip", async () => {
    const model = new Grower(seeded(9)).conv(8, { spread: 6 }).relu6().depthwise(6).relu6().conv(4).head();
    const found = await equalizedOf(model.graph);
    expect(found).not.toBe(model.graph);
    for (const seen of samples as Tensor[]) {
      const difference = largestDifference(await answer(model, seen), await answer(asModel(found), seen));
      expect(difference).toBeLessThan(1e-4);
    }
  });
});

describe("the factors of channels", () => {
  it("leave the widest channel as it is, and none beyond it", () => {
    const reach = Float64Array.of(8, 2, 0.5, 0, 1e-9);
    const factors = channelFactors(reach, undefined, Number.POSITIVE_INFINITY);
    expect(factors[0]).toBe(1);
    expect([...factors.map((factor, at) => reach[at]! / factor)].every((wide) => wide <= 8 + 1e-9)).toBe(true);
    // Silent on the samples: nothing to go by. Nearly so: held back.
    expect(factors[3]).toBe(1);
    expect(factors[4]).toBe(1 / 16);
  });

  it("leave samples unclipped", () => {
    const reach = Float64Array.of(6, 3, 0.1);
    const factors = channelFactors(reach, undefined, 6);
    for (const [at, factor] of factors.entries()) expect(reach[at]! / factor).toBeLessThanOrEqual(6 + 1e-9);
  });
});
