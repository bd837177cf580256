import type { ValueName } from "../../../../runtime/onnx/graph.ts";
import { float32, int64 } from "../../../../runtime/onnx/tensor.ts";
import type { NetworkBuilder, NetworkDefinition } from "./network.ts";

/** A small U-Net with every way down and up that there is. @see Ronneberger et al. 2015, arXiv:1505.04597 */
export const encoderDecoder: NetworkDefinition = (network, x) => {
  const around = network.constant(int64([0, 0, 1, 1, 0, 0, 1, 1]));
  const padded = network.add("Pad", [x, around], { mode: "reflect" });
  const first = network.add("Tanh", [network.conv(padded, "enter")]);
  const half = network.add("MaxPool", [first], { kernel_shape: [2, 2], strides: [2, 2] });
  const second = network.add("Elu", [network.conv(half, "down", SAME)]);
  const quarter = network.add("AveragePool", [second], { kernel_shape: [3, 3], strides: [2, 2], ...SAME });
  const bottom = network.add("LeakyRelu", [network.conv(quarter, "bottom", SAME)], { alpha: { float: 0.1 } });

  const twice = network.constant(float32([4], [1, 1, 2, 2]));
  const grown = network.add("Resize", [bottom, "", twice], { mode: "linear" });
  const skip = network.add("Concat", [grown, second], { axis: 1 });
  const middle = network.add("Sigmoid", [network.conv(skip, "middle", SAME)]);
  const up = network.add("ConvTranspose", [middle, "up.weight", "up.bias"], {
    strides: [2, 2],
    output_padding: [1, 1],
    ...SAME,
  });
  const last = gated(network, network.conv(network.add("Concat", [up, first], { axis: 1 }), "gate"));
  const shuffled = network.add("DepthToSpace", [network.conv(last, "shuffle")], { blocksize: 2, mode: "CRD" });
  const range = [
    [1, 0],
    [-2, Number.MAX_SAFE_INTEGER],
    [2, 3],
    [1, 3],
  ].map((values) => network.constant(int64(values)));
  const seen = network.add("Slice", [shuffled, ...range]);
  return network.gemm(network.add("Flatten", [network.add("GlobalMaxPool", [seen])]), "head");
};

const SAME = { pads: [1, 1, 1, 1] };

/** One half of the channels decides how much of the other passes. @see Dauphin et al. 2016, arXiv:1612.08083 */
function gated(network: NetworkBuilder, x: ValueName): ValueName {
  const [value, gate] = network.b.addMany("Split", [x], 2, { axis: 1, num_outputs: 2 });
  return network.add("Mul", [value!, network.add("Sigmoid", [gate!])]);
}
