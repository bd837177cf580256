import type { ValueName } from "../../../../runtime/onnx/graph.ts";
import type { NetworkBuilder, NetworkDefinition } from "./network.ts";

/** Two blocks of MobileNetV2, one with its residual sum, one strided. @see Sandler et al. 2018, arXiv:1801.04381 */
export const depthwise: NetworkDefinition = (network, x) => {
  const stem = network.relu6(network.conv(x, "stem", { strides: [2, 2], pads: [1, 1, 1, 1] }));
  const first = network.add("Add", [stem, invertedResidual(network, stem, "blocks.0", 1)]);
  return network.gemm(network.pooled(invertedResidual(network, first, "blocks.1", 2)), "head");
};

function invertedResidual(network: NetworkBuilder, x: ValueName, name: string, stride: number): ValueName {
  const expanded = network.relu6(network.conv(x, `${name}.expand`));
  const filtered = network.conv(expanded, `${name}.depthwise`, {
    group: 12,
    strides: [stride, stride],
    pads: [1, 1, 1, 1],
  });
  return network.conv(network.relu6(filtered), `${name}.project`);
}
