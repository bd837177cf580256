import * as z from "zod";
import type { Node } from "../onnx/graph.ts";
import { int64 } from "../onnx/tensor.ts";
import { gaussian, seededBy } from "../random/gaussian.ts";
import type { ModuleContext, ModuleMethod, Network, Site } from "./method.ts";
import { countSetting } from "./settings.ts";

const settings = z.strictObject({
  /** Channels of the bottleneck. */
  width: countSetting(8),
});

/**
 * A bottleneck beside the network: down to a few channels, a ReLU, up again, added to what was there. It stands behind each residual
 * sum, or behind each pointwise layer where a network has no such sums; the way up starts at zero.
 */
export const adapter: ModuleMethod = {
  kind: "module",
  name: "adapter",
  aliases: ["bottleneck", "lite-residual"],
  source: "Houlsby et al. 2019, arXiv:1902.00751; Rebuffi et al. 2018, parallel residual adapters, arXiv:1803.10082",
  settings,
  averages: () => false,
  sites: behindBlocks,
  parameters(site, { width }) {
    const [channels, inner] = [channelsOf(site), width as number];
    const start = () => gaussian([inner, channels], Math.sqrt(2 / channels), seededBy(`${site.name}/${inner}`));
    return [
      { name: "down", dims: [inner, channels], start },
      { name: "down_bias", dims: [inner] },
      { name: "up", dims: [channels, inner] },
      { name: "up_bias", dims: [channels] },
    ];
  },
  build(context) {
    const { b, x, theta } = context;
    const down = linear(context, x, theta("down"), theta("down_bias"));
    const up = linear(context, b.add("Relu", [down]), theta("up"), theta("up_bias"));
    return b.add("Add", [x, up]);
  },
};

/** A product over the channels: a convolution of one pixel where places follow, a matrix product where channels come last. */
function linear({ b, site }: ModuleContext, x: string, weight: string, bias: string): string {
  const places = site.shape.length - 2;
  if (places < 2) return b.add("Add", [b.add("MatMul", [x, b.add("Transpose", [weight], { perm: [1, 0] })]), bias]);
  const kernel = b.add("Unsqueeze", [
    weight,
    b.constant("axes", int64(Array.from({ length: places }, (_, at) => at + 2))),
  ]);
  return b.add("Conv", [x, kernel, bias]);
}

const channelsOf = ({ shape }: Site): number => (shape.length < 4 ? shape.at(-1) : shape[1]) as number;

function behindBlocks({ nodes, layers, input, type, site }: Network): Site[] {
  const constants = new Set(layers.map((layer) => layer.node));
  const computed = new Set([input, ...nodes.flatMap((node) => node.outputs)]);
  const isSum = (node: Node) => node.opType === "Add" && node.inputs.every((value) => computed.has(value));
  const sums = nodes.filter((node) => isSum(node) && !constants.has(node));
  const found = sums.length > 0 ? sums : layers.filter(isPointwise).map((layer) => layer.node);
  return found.flatMap((node) => {
    const [value] = node.outputs as [string];
    const { shape } = type(value);
    const fixed = shape.slice(1).every((dim) => typeof dim === "number");
    return fixed && shape.length > 1 ? [{ name: node.name, value: site(value), shape }] : [];
  });
}

const isPointwise = ({ node, weight }: Network["layers"][number]): boolean =>
  node.opType === "Conv" && weight!.dims.slice(2).every((size) => size === 1);
