import { openSession } from "../../../runtime/execute/session.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Model, ValueName } from "../../../runtime/onnx/graph.ts";
import { elementCount, float32, type Tensor } from "../../../runtime/onnx/tensor.ts";
import type { Random } from "../../../runtime/random/random.ts";

/** In [−scale, scale). */
export const noise = (dims: readonly number[], random: Random, scale = 1): Tensor<"float32"> =>
  float32(
    dims,
    Array.from({ length: elementCount(dims) }, () => (2 * random() - 1) * scale),
  );

/** A network grown layer by layer, [N, C, H, W] all the way. */
export class Grower {
  readonly b = new GraphBuilder();
  readonly random: Random;
  value: ValueName;
  channels: number;
  #layers = 0;

  constructor(random: Random, channels = 3, size = 8) {
    this.random = random;
    this.channels = channels;
    this.value = this.b.input("x", "float32", ["N", channels, size, size]);
  }

  op(opType: string, operands: readonly Tensor[] = [], attributes: Parameters<GraphBuilder["add"]>[2] = {}): this {
    const name = `${opType}${this.#layers++}`.toLowerCase();
    const constants = operands.map((operand, at) => this.b.constant(`${name}.${at}`, operand));
    this.value = this.b.add(opType, [this.value, ...constants], attributes, name);
    return this;
  }

  conv(out: number, { kernel = 3, groups = 1, stride = 1, bias = true, spread = 1 } = {}): this {
    const dims = [out, this.channels / groups, kernel, kernel];
    const scale = Math.sqrt(3 / (dims[1]! * kernel * kernel));
    const weight = noise(dims, this.random, scale);
    // Channels of very different reach, as trained depthwise layers have them.
    const factors = Array.from({ length: out }, () => spread ** (2 * this.random() - 1));
    const row = weight.data.length / out;
    const scaled = float32(
      dims,
      (weight.data as Float32Array).map((value, at) => value * factors[Math.floor(at / row)]!),
    );
    const biases = float32(
      [out],
      factors.map((factor) => (this.random() - 0.4) * 0.3 * factor),
    );
    this.channels = out;
    const pad = (kernel - 1) / 2;
    return this.op("Conv", bias ? [scaled, biases] : [scaled], {
      ...{ group: groups, kernel_shape: [kernel, kernel] },
      ...{ strides: [stride, stride], pads: [pad, pad, pad, pad] },
    });
  }

  depthwise(spread = 1, stride = 1): this {
    return this.conv(this.channels, { groups: this.channels, spread, stride });
  }

  relu6(): this {
    return this.op("Clip", [float32([], [0]), float32([], [6])]);
  }

  batchNorm(): this {
    const values = (low: number, high: number) =>
      float32(
        [this.channels],
        Array.from({ length: this.channels }, () => low + (high - low) * this.random()),
      );
    return this.op("BatchNormalization", [values(0.5, 1.5), values(-0.3, 0.3), values(-0.3, 0.3), values(0.4, 2)], {
      epsilon: { float: 1e-3 },
    });
  }

  /** A value from before, added. */
  plus(value: ValueName): this {
    this.value = this.b.add("Add", [this.value, value], {}, `sum${this.#layers++}`);
    return this;
  }

  head(classes = 5): Model {
    this.op("GlobalAveragePool").op("Flatten", [], { axis: 1 });
    const weight = noise([classes, this.channels], this.random, Math.sqrt(3 / this.channels));
    this.op("Gemm", [weight, noise([classes], this.random, 0.1)], { transB: 1 });
    return this.model(["N", classes]);
  }

  model(shape: readonly (string | number)[]): Model {
    this.b.output(this.value, { type: "float32", shape });
    return asModel(this.b.build("grown"));
  }
}

/** A model's one answer. */
export async function answer(model: Model, x: Tensor): Promise<Float32Array> {
  const session = await openSession(model);
  try {
    const found = await session.run({ [model.graph.inputs[0]!.name]: x });
    return found[model.graph.outputs[0]!.name]!.data as Float32Array;
  } finally {
    await session.close();
  }
}

export function decibels(exact: Float32Array, found: Float32Array): number {
  let [signal, noiseEnergy] = [0, 0];
  exact.forEach((value, at) => {
    signal += value ** 2;
    noiseEnergy += (value - found[at]!) ** 2;
  });
  return 10 * Math.log10(signal / noiseEnergy);
}

export const largestDifference = (a: Float32Array, b: Float32Array): number =>
  Math.max(...a.map((value, at) => Math.abs(value - b[at]!)));
