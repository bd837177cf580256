import * as z from "zod";
import { float32 } from "../onnx/tensor.ts";
import type { ModuleMethod, Network, Site } from "./method.ts";

const settings = z.strictObject({
  /** `pattern` covers the whole input, `border` only its rim, `tokens` is added to the embedded patches of a transformer. */
  form: z.enum(["pattern", "border", "tokens"]).default("pattern"),
  /** Of the border, as a share of each side. */
  width: z.coerce.number().gt(0).lt(0.5).default(0.15),
});

/** A learned pattern that is added to what the network sees; nothing in the network changes. */
export const prompt: ModuleMethod = {
  kind: "module",
  name: "prompt",
  aliases: ["visual-prompt", "vpt"],
  source:
    "Bahng et al. 2022, visual prompting, arXiv:2203.17274; Jia et al. 2022, VPT (added tokens, §4.5), arXiv:2203.12119",
  settings,
  averages: () => true,
  sites: (network, { form }) => (form === "tokens" ? tokens(network) : [input(network)]),
  parameters: ({ shape }) => [{ name: "pattern", dims: shape.slice(1) as number[] }],
  build({ b, x, site, settings: { form, width }, theta }) {
    const pattern = theta("pattern");
    if (form !== "border") return b.add("Add", [x, pattern]);
    const rim = b.constant("border", border(site.shape.slice(1) as number[], width as number));
    return b.add("Add", [x, b.add("Mul", [pattern, rim])]);
  },
};

const input = ({ input, type, site }: Network): Site => ({ name: input, value: site(input), shape: type(input).shape });

/** The first value of the form [N, tokens, width] that has nothing but patches in it: what the first normalization reads. */
function tokens({ nodes, type, site }: Network): Site[] {
  const first = nodes.find((node) => node.opType === "LayerNormalization" || node.opType === "ReduceMean");
  const value = first?.inputs[0];
  if (!value || type(value).shape.length !== 3) return [];
  return [{ name: "tokens", value: site(value), shape: type(value).shape }];
}

/** One on the rim of the last two axes, zero inside. @param dims [C, H, W] or [H, W] */
function border(dims: readonly number[], width: number) {
  const [height, breadth] = dims.slice(-2) as [number, number];
  const rim = (at: number, size: number) => Math.min(at, size - 1 - at) < Math.max(1, Math.round(size * width));
  const plane = Array.from({ length: height * breadth }, (_, at) =>
    rim(Math.floor(at / breadth), height) || rim(at % breadth, breadth) ? 1 : 0,
  );
  return float32([height, breadth], plane);
}
