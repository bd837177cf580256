import type { ValueName } from "../../../../runtime/onnx/graph.ts";
import type { NetworkBuilder, NetworkDefinition } from "./network.ts";

/** A block of MobileNetV3 between its stem and its head. @see Howard et al. 2019, arXiv:1905.02244 */
export const squeezeExcite: NetworkDefinition = (network, x) => {
  const swish = (value: ValueName) => network.add("HardSwish", [value]);
  const stem = swish(network.conv(x, "stem", { strides: [2, 2], pads: [1, 1, 1, 1] }));
  const expanded = swish(network.conv(stem, "expand"));
  const filtered = swish(network.conv(expanded, "depthwise", { group: 12, pads: [2, 2, 2, 2] }));
  const block = network.add("Add", [stem, network.conv(excited(network, filtered), "project")]);
  const last = network.pooled(swish(network.conv(block, "last")));
  return network.gemm(swish(network.gemm(last, "hidden")), "head");
};

/** Each channel by a factor that all channels' means decide. */
function excited(network: NetworkBuilder, x: ValueName): ValueName {
  const squeezed = network.add("Relu", [network.conv(network.add("GlobalAveragePool", [x]), "excite.reduce")]);
  return network.add("Mul", [x, network.hardSigmoid(network.conv(squeezed, "excite.expand"))]);
}
