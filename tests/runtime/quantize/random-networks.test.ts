import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { quantizeWithReport } from "../../../runtime/quantize/index.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { answer, decibels, Grower, noise } from "./networks.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lichen-quantize-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The operators that ONNX Runtime really runs. */
async function optimized(model: Model): Promise<string[]> {
  const path = join(folder, "optimized.onnx");
  await (await openSession(model, { optimizedModelPath: path })).close();
  return decodeModel(await readFile(path), path).graph.nodes.map(({ opType }) => opType);
}

/** Ways that a network may go on. */
const STEPS: Readonly<Record<string, (grower: Grower) => unknown>> = {
  conv: (grower) => grower.conv(4 + Math.floor(grower.random() * 5)),
  "conv without bias": (grower) => grower.conv(5, { bias: false }),
  "conv, batch norm, relu": (grower) => grower.conv(6, { bias: false }).batchNorm().op("Relu"),
  "conv, relu6": (grower) => grower.conv(7).relu6(),
  pointwise: (grower) => grower.conv(8, { kernel: 1 }).op("Relu"),
  depthwise: (grower) => grower.depthwise().op("Relu"),
  strided: (grower) => grower.conv(6, { stride: 2 }).op("Relu"),
  grouped: (grower) => grower.conv(grower.channels, { groups: grower.channels % 2 === 0 ? 2 : 1 }),
  residual(grower) {
    const before = grower.value;
    grower.conv(grower.channels).plus(before).op("Relu");
  },
  concat(grower) {
    const before = grower.value;
    const channels = grower.channels;
    grower.conv(4).op("Relu");
    grower.value = grower.b.add("Concat", [grower.value, before], { axis: 1 }, "joined");
    grower.channels += channels;
  },
  "batch norm": (grower) => grower.batchNorm(),
  "leaky relu": (grower) => grower.conv(5).op("LeakyRelu", [], { alpha: { float: 0.1 } }),
  "hard swish": (grower) => grower.conv(5).op("HardSwish"),
  sigmoid: (grower) => grower.conv(5).op("Sigmoid"),
  "no rule": (grower) => grower.op("Softsign"),
  pool: (grower) => grower.op("MaxPool", [], { kernel_shape: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1] }),
  average: (grower) => grower.op("AveragePool", [], { kernel_shape: [2, 2], strides: [1, 1], pads: [0, 0, 1, 1] }),
  transpose: (grower) => grower.op("Transpose", [], { perm: [0, 1, 3, 2] }),
  scale: (grower) => grower.op("Relu").op("Mul", [noise([1], grower.random, 2)]),
};

describe("random networks in int8", () => {
  const names = Object.keys(STEPS);

  it("answer nearly what they answer in float, and every convolution is an integer one", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 7 }),
        fc.nat(999),
        async (steps, seed) => {
          const grower = new Grower(seeded(seed));
          for (const step of steps) STEPS[step]!(grower);
          const float = grower.head();
          const samples = Array.from({ length: 4 }, (_, at) => noise([4, 3, 8, 8], seeded(1000 + at)));
          const { model, report } = await quantizeWithReport(float, { samples, reducedRange: false });

          const unseen = noise([32, 3, 8, 8], seeded(5000));
          const [exact, found] = [await answer(float, unseen), await answer(model, unseen)];
          // Seven bits of weight, few samples: some come to 17. A wrong scale, axis or zero point leaves nothing.
          expect(decibels(exact, found), "answers").toBeGreaterThan(12);
          for (const { name, local } of report.layers) expect(local ?? 99, name).toBeGreaterThan(12);

          const operators = await optimized(model);
          expect(operators).not.toContain("Conv");
          expect(operators).not.toContain("FusedConv");
          const convolutions = model.graph.nodes.filter(({ opType }) => opType === "Conv").length;
          expect(operators.filter((operator) => operator === "QLinearConv").length).toBe(convolutions);
          // The engine takes it as it is.
          expect(await answer(normalizeModel(model), unseen)).toEqual(found);
        },
      ),
      {
        numRuns: 25,
        examples: names.map((name): [string[], number] => [["conv, batch norm, relu", name, "pointwise"], 11]),
      },
    );
  }, 300_000);
});
