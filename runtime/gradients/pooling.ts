import { elementCount, int64, scalar } from "../onnx/tensor.ts";
import type { GradientRule } from "./rule.ts";

/** Each input element had 1/(H·W) of the mean. dY: [N, C, 1, 1] → dX: [N, C, H, W] */
export const globalAveragePool: GradientRule = ({ b, node, dy, type }) => [
  () => {
    const sizes = type(node.inputs[0]!).shape.slice(2) as number[];
    const share = b.add("Mul", [dy, b.constant("share", scalar("float32", 1 / elementCount(sizes)))]);
    return b.add("Expand", [share, b.constant("shape", int64([1, 1, ...sizes]))]);
  },
];
