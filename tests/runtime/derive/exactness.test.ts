import { describe, it } from "vitest";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { float32, tensor } from "../../../runtime/onnx/tensor.ts";
import { noise, random, toyModel } from "../toy.ts";
import { expectExact, FOLDING, MODULES } from "./exact.ts";
import { network } from "./random-networks.ts";

const VARIANTS = [
  {},
  { quantizedLogits: true },
  { transB: 0 },
  { transB: 0, quantizedLogits: true },
  { reducedRange: false },
] as const;

describe.each([...FOLDING, ...MODULES])("what is trained is what is served: %s", (method) => {
  it.each(VARIANTS)("toy model %o", (options) => expectExact(toyModel(options), method));
});

describe("weights that ONNX Runtime would quantize anew when it loads a model", () => {
  it.each(["bias", "lora:down=trained+bias"])("of a transposed convolution, folded to real numbers: %s", (method) => {
    const recipe = { seed: 0, quantized: true, kind: "pictures", head: "gemm", end: "nothing" } as const;
    const transposed = network({ ...recipe, steps: [["conv", 34] as const, ["transposed", 0] as const] });
    return expectExact(transposed, method, { lively: false });
  });

  it.each(FOLDING)("real ones behind quantized inputs: %s", (method) => {
    const next = random(4);
    const b = new GraphBuilder();
    const quantizer = [b.constant("s", float32([], [0.02])), b.constant("z", tensor("uint8", [], Uint8Array.of(120)))];
    const quantized = (name: string) =>
      b.add("DequantizeLinear", [b.add("QuantizeLinear", [name, ...quantizer]), ...quantizer]);
    const weight = (...dims: number[]) => b.constant("weight", noise(dims, next, 0.6));
    const x = quantized(b.input("x", "float32", ["N", 2, 5, 5]));
    const conv = quantized(b.add("Conv", [x, weight(6, 2, 3, 3), weight(6)], {}, "conv"));
    const pooled = quantized(b.add("Flatten", [quantized(b.add("GlobalAveragePool", [conv]))]));
    b.output(b.add("Gemm", [pooled, weight(6, 4), weight(4)], {}, "head"), { type: "float32" });
    return expectExact(asModel(b.build("bare")), method, { lively: false });
  });
});
