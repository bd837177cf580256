import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Model, ValueName } from "../../../runtime/onnx/graph.ts";
import { ELEMENTS, elementCount, float32, int32, int64, tensor } from "../../../runtime/onnx/tensor.ts";
import { random } from "../toy.ts";

export const CLASSES = 4;

/** How a network ends, and what else tools do differently. */
export interface HeadOptions {
  head: "conv" | "matmul" | "gemm";
  flatten?: "Flatten" | "Reshape";
  quantized?: boolean;
  /** A step of the quantized logits: 0.02 lets them reach to 2.7, as they do while weights are noise; trained ones go further. */
  step?: number;
  activation?: "Softmax";
  /** Whether the answer of the activation is quantized once more, in steps of 1/256 as TFLite has it. */
  quantizedAnswer?: boolean;
  weights?: "int8" | "uint8";
  activations?: "uint8" | "int8";
  /** Whether the residual sum reads the very DequantizeLinear that the second convolution reads. */
  shared?: boolean;
}

/** A convolution, a residual sum, a pool, and one of several heads. */
export function networkWithHead(options: HeadOptions): Model {
  const {
    head,
    flatten = "Flatten",
    quantized,
    activation,
    weights = "int8",
    activations = "uint8",
    step = 0.02,
  } = options;
  const next = random(9);
  const b = new GraphBuilder();
  const codes = (type: "int8" | "uint8" | "int32", dims: number[], value: (at: number) => number) =>
    tensor(type, dims, new ELEMENTS[type](Array.from({ length: elementCount(dims) }, (_, at) => value(at))));
  const quantize = (x: ValueName, scale: number, zeroPoint: number) => {
    const zero = activations === "uint8" ? zeroPoint : zeroPoint - 128;
    const operands = [
      b.constant("scale", float32([], [scale])),
      b.constant(
        "zero",
        codes(activations, [], () => zero),
      ),
    ];
    const q = b.add("QuantizeLinear", [x, ...operands]);
    return { scale, real: () => b.add("DequantizeLinear", [q, ...operands]) };
  };
  const layer = (dims: number[], axis: number) => {
    const channels = dims[axis]!;
    const perTensor = weights === "uint8";
    const scales = Array.from({ length: perTensor ? 1 : channels }, () => Math.fround((0.5 + next()) / 60 / 4));
    const values =
      weights === "uint8"
        ? codes("uint8", dims, (at) => (at === 0 ? 255 : at === 1 ? 0 : Math.round(next() * 255)))
        : codes("int8", dims, () => Math.round((next() * 2 - 1) * 100));
    const zero = perTensor ? codes("uint8", [], () => 91) : codes("int8", [channels], () => 0);
    const scale = b.constant("weight_scale", float32(perTensor ? [] : [channels], scales));
    const w = b.add("DequantizeLinear", [b.constant("weight", values), scale, b.constant("zero", zero)], { axis });
    const bias = (xScale: number) => {
      const steps = Array.from({ length: perTensor ? 1 : channels }, (_, at) =>
        Math.fround(Math.fround(xScale) * scales[at]!),
      );
      const value = int32(
        [channels],
        Array.from({ length: channels }, (_, at) => Math.round(((next() - 0.4) * 0.5) / steps[perTensor ? 0 : at]!)),
      );
      const operands = [
        b.constant("bias", value),
        b.constant("bias_scale", float32(perTensor ? [] : [channels], steps)),
      ];
      return b.add("DequantizeLinear", operands, { axis: 0 });
    };
    return { w, bias };
  };

  const x = quantize(b.input("x", "float32", ["N", 2, 7, 6]), 0.016, 128);
  const stem = layer([8, 2, 3, 3], 0);
  const conv = b.add("Conv", [x.real(), stem.w, stem.bias(x.scale)], { strides: [2, 2], pads: [1, 1, 1, 1] }, "stem");
  const first = quantize(conv, 0.014, 20);
  const middle = layer([8, 8, 1, 1], 0);
  const real = first.real();
  const pointwise = b.add("Conv", [real, middle.w, middle.bias(first.scale)], {}, "pointwise");
  const second = quantize(pointwise, 0.03, 110);
  const sum = quantize(b.add("Add", [options.shared ? real : first.real(), second.real()], {}, "sum"), 0.03, 100);
  const pooled = quantize(b.add("GlobalAveragePool", [sum.real()]), 0.02, 100);

  let logits: ValueName;
  if (head === "conv") {
    const { w, bias } = layer([CLASSES, 8, 1, 1], 0);
    const y = quantize(b.add("Conv", [pooled.real(), w, bias(pooled.scale)], {}, "head"), step, 120).real();
    logits =
      flatten === "Flatten" ? b.add("Flatten", [y]) : b.add("Reshape", [y, b.constant("shape", int64([-1, CLASSES]))]);
  } else {
    const embedding = quantize(b.add("Flatten", [pooled.real()]), pooled.scale, 100);
    const { w, bias } = layer([8, CLASSES], 1);
    if (head === "gemm") {
      const y = b.add("Gemm", [embedding.real(), w, bias(embedding.scale)], {}, "head");
      logits = quantized ? quantize(y, step, 120).real() : y;
    } else {
      const product = b.add("MatMul", [embedding.real(), w], {}, "head");
      const y = quantized ? quantize(product, 0.02, 120).real() : product;
      const added = b.add("Add", [y, b.constant("bias", float32([CLASSES], [0.1, -0.2, 0.3, 0]))], {}, "head_bias");
      logits = quantized ? quantize(added, 0.02, 118).real() : added;
    }
  }
  const answer = activation ? b.add(activation, [logits], { axis: -1 }) : logits;
  b.output(options.quantizedAnswer ? quantize(answer, 1 / 256, 0).real() : answer, { type: "float32" });
  return asModel(b.build("network"));
}
