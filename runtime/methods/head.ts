import { constantOf } from "../integer/layers.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import { float32, int64, zeros } from "../onnx/tensor.ts";
import type { Method } from "./method.ts";

/** The last linear layer, weight and bias. The weight is requantized, per output row, in the graph. */
export const head: Method = {
  name: "head",
  aliases: ["linear-probe", "last-layer"],
  source: "Qi et al. 2018, weight imprinting, arXiv:1712.07136",
  operands: ["weight", "bias"],
  targets: (layers) => layers.filter((layer) => layer.node.opType === "Gemm").slice(-1),

  parameters: (layer, graph) => [
    { name: "weight", dims: constantOf(graph, layer.weight.inputs[0]!).dims },
    { name: "bias", dims: [layer.outChannels] },
  ],

  effective({ b, graph, layer, theta }) {
    const base = constantOf(graph, layer.weight.inputs[0]!);
    const perRow = layer.weightAxis === 0 ? [-1, 1] : [1, -1];
    // A base of reduced range (7 bits) stays in it: some kernels would saturate beyond.
    const limit = base.type === "int8" && (base.data as Int8Array).every((value) => Math.abs(value) <= 64) ? 64 : 127;
    const largest = b.constant("limit", float32([], [limit]));

    const weight = b.add("Add", [layer.node.inputs[1]!, theta("weight")]);
    const reach = b.add("ReduceMax", [b.add("Abs", [weight]), b.constant("axes", int64([1 - layer.weightAxis]))], {
      keepdims: 0,
    });
    // The base's scale as long as the row fits in it, so that zero parameters are exactly the base; a wider one when outgrown.
    const fits = b.add("LessOrEqual", [
      reach,
      b.add("Mul", [layer.weight.inputs[1]!, b.constant("slack", float32([], [limit + 0.5]))]),
    ]);
    const scale = b.add("Where", [fits, layer.weight.inputs[1]!, b.add("Div", [reach, largest])]);
    const bounds = [-limit, limit].map((bound) => b.constant("bound", float32([], [bound])));
    const byRow = b.add("Reshape", [scale, b.constant("shape", int64(perRow))]);
    const rounded = b.add("Clip", [b.add("Round", [b.add("Div", [weight, byRow])]), ...bounds]);
    const quantized = b.add("Cast", [rounded], { to: ELEMENT_CODES.int8 });

    const biasScale = b.add("Mul", [layer.input.inputs[1]!, scale]);
    const biasReal = b.add("Add", [layer.node.inputs[2]!, theta("bias")]);
    const biasSteps = b.add("Cast", [b.add("Round", [b.add("Div", [biasReal, biasScale])])], {
      to: ELEMENT_CODES.int32,
    });
    return {
      weight: { quantized, scale, zeroPoint: b.constant("zero_points", zeros("int8", layer.outChannels)) },
      bias: {
        quantized: biasSteps,
        scale: biasScale,
        zeroPoint: b.constant("zero_points", zeros("int32", layer.outChannels)),
      },
    };
  },

  gradients: ({ gradient }) => ({ weight: gradient("weight"), bias: gradient("bias") }),
};
