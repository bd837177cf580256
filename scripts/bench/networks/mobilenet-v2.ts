import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Model, ValueName } from "../../../runtime/onnx/graph.ts";
import { elementCount, float32, scalar, type Tensor, zeros } from "../../../runtime/onnx/tensor.ts";
import { type Random, seeded } from "../../../runtime/random/random.ts";

export interface MobileNetOptions {
  /** Height and width of the picture. */
  size?: number;
  classes?: number;
  /** Multiplies every number of channels. */
  width?: number;
  seed?: number;
}

/** Expansion, output channels, repetitions, stride of the first. @see Sandler et al. 2018, arXiv:1801.04381, table 2 */
const STAGES = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/**
 * A network of MobileNetV2's shape, batch normalization folded away, with random weights that keep activations alive: for times,
 * which do not depend on what the weights are. Float, features [N, 3, size, size] → logits [N, classes].
 */
export function mobileNetV2({ size = 224, classes = 1000, width = 1, seed = 1 }: MobileNetOptions = {}): Model {
  const random = seeded(seed);
  const b = new GraphBuilder();
  const six = [b.constant("low", scalar("float32", 0)), b.constant("high", scalar("float32", 6))];
  const layer = (x: ValueName, name: string, conv: Convolution): ValueName => {
    const { inputs, outputs, kernel = 1, stride = 1, group = 1, gain = 2 } = conv;
    const weight = b.constant(`${name}.weight`, scaledWeights([outputs, inputs / group, kernel, kernel], gain, random));
    const bias = b.constant(`${name}.bias`, zeros("float32", outputs));
    const pad = kernel >> 1;
    const attributes = { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: Array(4).fill(pad), group };
    return b.add("Conv", [x, weight, bias], attributes, name);
  };
  const relu6 = (x: ValueName): ValueName => b.add("Clip", [x, ...six], {}, `${x}.relu6`);

  let channels = rounded(32 * width);
  let x = b.input("features", "float32", ["N", 3, size, size]);
  x = relu6(layer(x, "stem", { inputs: 3, outputs: channels, kernel: 3, stride: 2 }));
  let block = 0;
  for (const [expansion, stageOutputs, repetitions, firstStride] of STAGES) {
    const outputs = rounded(stageOutputs * width);
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const name = `block${block++}`;
      const stride = repetition === 0 ? firstStride : 1;
      const inner = channels * expansion;
      let y = x;
      if (expansion > 1) y = relu6(layer(y, `${name}.expand`, { inputs: channels, outputs: inner }));
      y = relu6(layer(y, `${name}.depthwise`, { inputs: inner, outputs: inner, kernel: 3, stride, group: inner }));
      y = layer(y, `${name}.project`, { inputs: inner, outputs, gain: 1 });
      x = stride === 1 && channels === outputs ? b.add("Add", [x, y], {}, `${name}.sum`) : y;
      channels = outputs;
    }
  }
  const last = 1280 * Math.max(1, width);
  x = relu6(layer(x, "top", { inputs: channels, outputs: last }));
  x = b.add("Flatten", [b.add("GlobalAveragePool", [x], {}, "pool")], { axis: 1 }, "flat");
  const head = [
    b.constant("head.weight", scaledWeights([classes, last], 1, random)),
    b.constant("head.bias", zeros("float32", classes)),
  ];
  b.output(b.add("Gemm", [x, ...head], { transB: 1 }, "logits"), { type: "float32", shape: ["N", classes] });
  return asModel(b.build("mobilenet-v2"));
}

interface Convolution {
  inputs: number;
  outputs: number;
  kernel?: number;
  stride?: number;
  group?: number;
  gain?: number;
}

/** Uniform, of variance gain / inputs: 2 where a ReLU follows. @see He et al. 2015, arXiv:1502.01852 */
function scaledWeights(dims: readonly number[], gain: number, random: Random): Tensor {
  const reach = Math.sqrt((3 * gain) / elementCount(dims.slice(1)));
  return float32(
    dims,
    Float32Array.from({ length: elementCount(dims) }, () => (random() * 2 - 1) * reach),
  );
}

/** To a multiple of 8, never down by more than a tenth, as the paper's own code does. */
function rounded(channels: number): number {
  const nearest = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return nearest < 0.9 * channels ? nearest + 8 : nearest;
}
