import { describe, expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import type { Graph, Model } from "../../../runtime/onnx/graph.ts";
import type { Tensor } from "../../../runtime/onnx/tensor.ts";
import { withCorrectedBiases } from "../../../runtime/quantize/correct-biases.ts";
import { quantizeModel, quantizeWithReport } from "../../../runtime/quantize/index.ts";
import { probe } from "../../../runtime/quantize/probe.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { answer, decibels, Grower, noise } from "./networks.ts";

/** Not around zero: the errors of weights have a mean then. */
const positive = (seed: number) => {
  const value = noise([8, 3, 8, 8], seeded(seed));
  return { ...value, data: (value.data as Float32Array).map((each) => each + 1) } as Tensor<"float32">;
};
const samples = [positive(1), positive(2), positive(3), positive(4)];
const model = new Grower(seeded(21))
  .conv(8)
  .op("Relu")
  .depthwise(3)
  .op("Relu")
  .conv(12)
  .op("Relu")
  .conv(6, { kernel: 1 })
  .head();
const layers = new Set(
  model.graph.nodes.flatMap(({ opType, name }) => (opType === "Conv" || opType === "Gemm" ? [name] : [])),
);

/** Of what each layer computes before any activation, channel by channel: mean absolute error of its mean. */
async function meanErrors(int8: Model): Promise<number[]> {
  const means = async ({ graph }: { graph: Graph }) => {
    const names = graph.nodes.flatMap(({ name, outputs }) => (layers.has(name) ? [outputs[0]!] : []));
    const session = await openSession({ ...model, graph: { ...graph, outputs: names.map((name) => ({ name })) } });
    const sums = names.map(() => new Map<number, number>());
    for (const x of samples) {
      const found = await session.run({ x });
      for (const [at, name] of names.entries()) {
        const { dims, data } = found[name]!;
        const inner = dims.slice(2).reduce((product, dim) => product * dim, 1);
        (data as Float32Array).forEach((value, index) => {
          const channel = Math.floor(index / inner) % dims[1]!;
          sums[at]!.set(channel, (sums[at]!.get(channel) ?? 0) + (value * dims[1]!) / data.length / samples.length);
        });
      }
    }
    await session.close();
    return sums.map((each) => [...each.values()]);
  };
  const [exact, found] = [await means(model), await means(int8)];
  return exact.map(
    (each, at) => each.reduce((sum, mean, channel) => sum + Math.abs(mean - found[at]![channel]!), 0) / each.length,
  );
}

describe("bias correction", () => {
  it("takes back most of the error of every layer's mean, on what the corrected layers before it compute", async () => {
    const int8 = await quantizeModel(model, { samples });
    const probed = await probe(model.graph, samples[0]!);
    const corrected = await withCorrectedBiases(int8, model.graph, layers, probed, { samples, threads: 1 });
    const [before, after] = [await meanErrors(int8), await meanErrors(corrected)];
    expect(before.length).toBe(5);
    for (const [at, error] of after.entries()) expect(error, `layer ${at}`).toBeLessThan(before[at]! / 5);
    // Only biases have changed.
    for (const [name, value] of int8.graph.initializers)
      if (value.type !== "int32") expect(corrected.graph.initializers.get(name)).toBe(value);
  });

  it("brings answers to unseen inputs nearer", async () => {
    const exact = await answer(model, positive(77));
    const plain = decibels(exact, await answer(await quantizeModel(model, { samples }), positive(77)));
    const { model: corrected, report } = await quantizeWithReport(model, { samples, correctBiases: true });
    expect(report.biasesCorrected).toBe(true);
    expect(decibels(exact, await answer(corrected, positive(77)))).toBeGreaterThan(plain);
  });

  it("stops when nobody wants it any more", async () => {
    const controller = new AbortController();
    controller.abort();
    const options = { samples, correctBiases: true, signal: controller.signal };
    await expect(quantizeModel(model, options)).rejects.toThrow(/CANCELLED/);
  });
});
