import { asModel, GraphBuilder } from "../../runtime/onnx/builder.ts";
import { encodeModel } from "../../runtime/onnx/encode.ts";
import type { Model, ValueName } from "../../runtime/onnx/graph.ts";
import { elementCount, float32, type Tensor, tensor } from "../../runtime/onnx/tensor.ts";
import { type ModelPackage, sha256 } from "../../runtime/package/package.ts";
import { seeded } from "../../runtime/random/random.ts";

export { seeded as random };

export const noise = (dims: readonly number[], next: () => number, scale = 1): Tensor<"float32"> =>
  float32(
    dims,
    Array.from({ length: elementCount(dims) }, () => (next() * 2 - 1) * scale),
  ) as Tensor<"float32">;

export const TOY = { channels: 2, height: 9, width: 8, classes: 4, embedding: 8 } as const;

export interface ToyOptions {
  seed?: number;
  /** Whether the logits are quantized too, as in models that come from TFLite. */
  quantizedLogits?: boolean;
  /** Gemm-B as [K, N] or [N, K]. */
  transB?: 0 | 1;
  reducedRange?: boolean;
}

/**
 * A small int8 network with what matters in it: an odd-sized strided convolution, a depthwise and a pointwise one, a residual
 * sum, a global pool and a linear head; uint8 activations, int8 weights per channel.
 */
export function toyModel(options: ToyOptions = {}): Model {
  const next = seeded(options.seed ?? 1);
  const b = new GraphBuilder();
  const limit = options.reducedRange === false ? 127 : 64;

  const quantize = (value: ValueName, scale: number, zeroPoint: number, name: string): Activation => {
    const s = b.constant(`${name}_scale`, float32([], [scale]));
    const z = b.constant(`${name}_zero_point`, tensor("uint8", [], Uint8Array.of(zeroPoint)));
    return { q: b.add("QuantizeLinear", [value, s, z], {}, `${name}_q`), s, z, scale };
  };
  const real = ({ q, s, z }: Activation) => b.add("DequantizeLinear", [q, s, z]);
  const weights = (name: string, dims: number[], axis: number): [value: ValueName, scales: number[]] => {
    const channels = dims[axis]!;
    const fanIn = elementCount(dims) / channels;
    const scales = Array.from({ length: channels }, () => Math.fround((0.5 + next()) / limit / Math.sqrt(fanIn / 3)));
    const data = Int8Array.from({ length: elementCount(dims) }, () => Math.round((next() * 2 - 1) * limit));
    const inputs = [
      b.constant(`${name}_weight`, tensor("int8", dims, data)),
      b.constant(`${name}_weight_scale`, float32([channels], scales)),
      b.constant(`${name}_weight_zero_point`, tensor("int8", [channels], new Int8Array(channels))),
    ];
    return [b.add("DequantizeLinear", inputs, { axis }), scales];
  };
  const biases = (name: string, scales: number[], xScale: number): ValueName => {
    const s = scales.map((scale) => Math.fround(Math.fround(xScale) * scale));
    const data = Int32Array.from(s, (scale) => Math.round(((next() - 0.3) * 0.4) / scale));
    const inputs = [
      b.constant(`${name}_bias`, tensor("int32", [s.length], data)),
      b.constant(`${name}_bias_scale`, float32([s.length], s)),
      b.constant(`${name}_bias_zero_point`, tensor("int32", [s.length], new Int32Array(s.length))),
    ];
    return b.add("DequantizeLinear", inputs, { axis: 0 });
  };
  const conv = (
    x: Activation,
    name: string,
    dims: number[],
    attributes: Record<string, number | number[]>,
  ): Activation => {
    const [w, scales] = weights(name, dims, 0);
    const y = b.add("Conv", [real(x), w, biases(name, scales, x.scale)], attributes, name);
    return quantize(y, 0.012, 0, `${name}_out`);
  };

  const input = b.input("features", "float32", ["N", TOY.channels, TOY.height, TOY.width]);
  const x = quantize(input, 0.016, 128, "features");
  const stem = conv(x, "stem", [TOY.embedding, TOY.channels, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] });
  const depthwise = conv(stem, "depthwise", [TOY.embedding, 1, 3, 3], { pads: [1, 1, 1, 1], group: TOY.embedding });
  const pointwise = conv(depthwise, "pointwise", [TOY.embedding, TOY.embedding, 1, 1], {});
  const sum = quantize(b.add("Add", [real(stem), real(pointwise)]), 0.02, 0, "sum");
  const pooled = quantize(b.add("GlobalAveragePool", [real(sum)]), 0.01, 0, "pooled");
  const flat = b.add("Flatten", [real(pooled)]);
  const embedding = quantize(flat, 0.01, 0, "embedding");
  const transB = options.transB ?? 1;
  const [w, scales] = weights(
    "head",
    transB ? [TOY.classes, TOY.embedding] : [TOY.embedding, TOY.classes],
    transB ? 0 : 1,
  );
  const logits = b.add("Gemm", [real(embedding), w, biases("head", scales, embedding.scale)], { transB }, "head");
  const output = options.quantizedLogits ? real(quantize(logits, 0.02, 120, "logits")) : logits;
  b.output(output, { type: "float32", shape: ["N", TOY.classes] });
  return asModel(b.build("toy"));
}

interface Activation {
  q: ValueName;
  s: ValueName;
  z: ValueName;
  scale: number;
}

/** The toy model as a package, with a rehearsal pack of its own idea of the classes. */
export function toyPackage(options: ToyOptions = {}): ModelPackage {
  const model = toyModel(options);
  const bytes = encodeModel(model);
  const hash = sha256(bytes);
  return {
    path: "toy",
    model,
    bytes,
    sha256: hash,
    card: {
      format: 1,
      id: "toy",
      version: "1",
      description: "a toy",
      licence: "Apache-2.0",
      sha256: hash,
      preprocessing: { kind: "image", width: TOY.width, height: TOY.height, channels: 1, mean: [0], std: [1] },
      labels: ["a", "b", "c", "d"],
      data: [],
      metrics: [],
    },
  };
}

/** Samples of the toy's four classes: each class a pattern of its own, blurred by noise. */
export function toySamples(count: number, seed: number): { label: string; features: Tensor }[] {
  const patterns = seeded(99);
  const prototypes = ["a", "b", "c", "d"].map((label) => ({
    label,
    pattern: noise([1, TOY.channels, TOY.height, TOY.width], patterns, 1.6),
  }));
  const next = seeded(seed);
  return Array.from({ length: count }, (_, at) => {
    const { label, pattern } = prototypes[at % prototypes.length]!;
    const values = Float32Array.from(pattern.data, (value) => value + (next() * 2 - 1) * 0.3);
    return { label, features: float32(pattern.dims, values) };
  });
}
