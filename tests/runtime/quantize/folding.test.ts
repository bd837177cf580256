import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { asModel } from "../../../runtime/onnx/builder.ts";
import type { Graph, Model } from "../../../runtime/onnx/graph.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { foldedModel } from "../../../runtime/quantize/folding/index.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { answer, Grower, largestDifference, noise } from "./networks.ts";

const operators = ({ nodes }: Graph) => nodes.map(({ opType }) => opType);

async function folded(model: Model, dims: number[]): Promise<Graph> {
  const x = noise([2, ...dims], seeded(5));
  const graph = await foldedModel(normalizeModel(model), x);
  expect(largestDifference(await answer(model, x), await answer(asModel(graph), x))).toBeLessThan(1e-5);
  return graph;
}

describe("folding", () => {
  const dims = [3, 8, 8];

  it("makes a batch normalization part of the convolution before it, and keeps the function", async () => {
    const model = new Grower(seeded(1)).conv(6, { bias: false }).batchNorm().op("Relu").head();
    expect(operators(await folded(model, dims))).toEqual(["Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"]);
  });

  it("makes one that stands alone a depthwise convolution over one pixel", async () => {
    const model = new Grower(seeded(2)).batchNorm().op("Relu").conv(4).op("Relu").batchNorm().head();
    const graph = await folded(model, dims);
    const kinds = ["Conv", "Relu", "Conv", "Relu", "Conv", "GlobalAveragePool", "Flatten", "Gemm"];
    expect(operators(graph)).toEqual(kinds);
    expect(graph.nodes[0]!.attributes.group).toEqual({ kind: "int", value: 3 });
  });

  it("folds a whole chain of factors and shifts", async () => {
    const perChannel = (n: number) => noise([n, 1, 1], seeded(n));
    const model = new Grower(seeded(3))
      .conv(6)
      .op("Mul", [perChannel(6)])
      .op("Add", [perChannel(6)])
      .op("Div", [float32([], [4])])
      .op("Sub", [float32([1, 6, 1, 1], [...perChannel(6).data].map(Number))])
      .batchNorm()
      .op("Relu")
      .head();
    expect(operators(await folded(model, dims))).toEqual(["Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"]);
  });

  it("makes a product with a bias behind it one Gemm, and takes its factors in", async () => {
    const grower = new Grower(seeded(4));
    grower.op("GlobalAveragePool").op("Flatten", [], { axis: 1 });
    grower.op("MatMul", [noise([3, 7], grower.random)]).op("Add", [noise([7], grower.random)]);
    grower.op("Gemm", [noise([7, 4], grower.random), noise([4], grower.random)], {
      alpha: { float: 0.5 },
      beta: { float: 2 },
    });
    const graph = await folded(grower.model(["N", 4]), dims);
    expect(operators(graph)).toEqual(["GlobalAveragePool", "Flatten", "Gemm", "Gemm"]);
    expect(graph.nodes[3]!.attributes.alpha).toBeUndefined();
  });

  it("leaves what is read by others, and what differs along a picture", async () => {
    const grower = new Grower(seeded(6)).conv(6);
    const before = grower.value;
    grower
      .batchNorm()
      .plus(before)
      .op("Mul", [noise([8, 8], grower.random)]);
    expect(operators(await folded(grower.head(), dims))).toEqual([
      ...["Conv", "Conv", "Add", "Mul", "GlobalAveragePool", "Flatten", "Gemm"],
    ]);
  });

  it("keeps the function of random chains", async () => {
    const steps = fc.array(fc.constantFrom("conv", "batchNorm", "mul", "add", "relu", "depthwise"), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(1000), async (names, seed) => {
        const grower = new Grower(seeded(seed));
        for (const name of names) {
          if (name === "conv") grower.conv(2 + Math.floor(grower.random() * 4), { bias: grower.random() < 0.5 });
          else if (name === "batchNorm") grower.batchNorm();
          else if (name === "depthwise") grower.depthwise();
          else if (name === "relu") grower.op("Relu");
          else grower.op(name === "mul" ? "Mul" : "Add", [noise([grower.channels, 1, 1], grower.random)]);
        }
        const graph = await folded(grower.head(), dims);
        expect(operators(graph)).not.toContain("BatchNormalization");
      }),
      { numRuns: 25 },
    );
  });
});
