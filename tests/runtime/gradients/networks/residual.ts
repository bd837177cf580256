import type { ValueName } from "../../../../runtime/onnx/graph.ts";
import type { NetworkBuilder, NetworkDefinition } from "./network.ts";

/** ResNet's stem and two basic blocks, the second with a strided shortcut. @see He et al. 2015, arXiv:1512.03385 */
export const residual: NetworkDefinition = (network, x) => {
  const conv1 = network.conv(x, "conv1", { strides: [2, 2], pads: [3, 3, 3, 3] });
  const stem = network.add("Relu", [network.batchNorm(conv1, "bn1")]);
  const pooled = network.add("MaxPool", [stem], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  const first = basicBlock(network, pooled, pooled, "layer1", 1);
  const strided = network.conv(first, "layer2.downsample.0", { strides: [2, 2] });
  const shortcut = network.batchNorm(strided, "layer2.downsample.1");
  return network.gemm(network.pooled(basicBlock(network, first, shortcut, "layer2", 2)), "fc");
};

function basicBlock(
  network: NetworkBuilder,
  x: ValueName,
  shortcut: ValueName,
  name: string,
  stride: number,
): ValueName {
  const conv1 = network.conv(x, `${name}.conv1`, { strides: [stride, stride], pads: [1, 1, 1, 1] });
  const hidden = network.add("Relu", [network.batchNorm(conv1, `${name}.bn1`)]);
  const conv2 = network.conv(hidden, `${name}.conv2`, { pads: [1, 1, 1, 1] });
  return network.add("Relu", [network.add("Add", [network.batchNorm(conv2, `${name}.bn2`), shortcut])]);
}
