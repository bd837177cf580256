import { expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { makePlan } from "../../../runtime/plan/plan.ts";
import { noise, random, toyModel } from "../toy.ts";

/** A product in real numbers whose weights reach so far: their root mean square is that by √3. */
function product(reach: number) {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", ["N", 64]);
  const weight = reach === 0 ? float32([32, 64], new Float32Array(2048)) : noise([32, 64], random(1), reach);
  const y = b.add("Gemm", [x, b.constant("w", weight), b.constant("b", noise([32], random(2)))], { transB: 1 }, "head");
  b.output(y, { type: "float32" });
  return prepareBase(asModel(b.build("network")));
}

const usual = 0.15 * Math.sqrt(3);

it.each([
  ["usual", usual, 1],
  ["small, as behind pixels of 0 to 255", usual / 32, 1 / 32],
  ["large, as of depthwise convolutions", usual * 8, 1],
  ["absurdly small", usual / 1e6, 1 / 64],
  ["zeros, as of new classes", 0, 1],
])("weights that are %s learn at a pace of their own", (_, reach, pace) => {
  expect(product(reach).layers[0]!.pace).toBe(pace);
});

it("integers count as what they stand for, channel by channel, and biases keep the rate", () => {
  const base = prepareBase(toyModel());
  const plan = makePlan(base, "full");
  for (const layer of base.layers.filter(({ weight }) => weight)) {
    const dequantize = layer.weight!.dequantize!;
    const [codes, scales] = dequantize.inputs.map((name) => base.graph.initializers.get(name)!);
    const inner = codes!.data.length / layer.outChannels;
    const real = Array.from(
      codes!.data as Int8Array,
      (code, at) => code * Number(scales!.data[Math.floor(at / inner)]),
    );
    const size = Math.sqrt(real.reduce((sum, value) => sum + value * value, 0) / real.length);
    expect(layer.pace, layer.name).toBe(Math.min(1, 2 ** Math.round(Math.log2(size / 0.15))));
    const rateOf = (part: string) => plan.parameters.find(({ name }) => name === `${layer.name}/${part}`)!.rate;
    expect([rateOf("weight"), rateOf("bias")]).toEqual([layer.pace, 1]);
  }
});
