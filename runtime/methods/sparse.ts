import * as z from "zod";
import { isWeighted, type Layer } from "../integer/layers.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { int64, zeroTensor } from "../onnx/tensor.ts";
import type { Allotment, ChangeContext, LayerMethod, Settings } from "./method.ts";
import { decodeIndices, encodeIndices, greatest, shareSetting } from "./settings.ts";
import { singleWeights } from "./single-weights.ts";

const settings = z.strictObject({
  /** Channels with their biases, of which only the gradients are computed that are wanted; or weights one by one. */
  unit: z.enum(["channel", "weight"]).default("channel"),
  /** Of what all channels would cost, of all weights; of each layer's, as long as nobody knows which of them matter. */
  share: shareSetting(0.25),
  /** Which; base64 of one bit a channel or weight. All channels where it was never settled. */
  channels: z.string().default(""),
  weights: z.string().default(""),
});

type Unit = typeof singleWeights;

/** What matters most to the loss on local samples, whole output channels or single weights; only their parameters are stored. */
export const sparse: LayerMethod = {
  kind: "layer",
  name: "sparse",
  aliases: ["sparse-update", "fish"],
  source: "Lin et al. 2022, MCUNetV3, arXiv:2206.15472; Sung et al. 2021, FISH mask, arXiv:2111.09839",
  settings,
  averages: () => true,
  targets: (layers) => layers.filter(isWeighted),
  measures: ({ channels, weights }) => channels === "" && weights === "",
  unit: ({ unit }) => unit as "channel" | "weight",
  settle: (layer, given, choice) => unitOf(given).settle(layer, given, choice),
  allot: (layers, given, allotment) => unitOf(given).allot(layers, given, allotment),
  parameters: (layer, given) => unitOf(given).parameters(layer, given),
  change: (context) => unitOf(context.settings).change(context),
  gradients: (context, gradients) => unitOf(context.settings).gradients(context, gradients),
};

const unitOf = ({ unit }: Settings): Unit => UNITS[unit as keyof typeof UNITS];

const wholeChannels: Unit = {
  settle(layer, given, { importance }) {
    if (given.channels !== "") return given;
    const count = Math.max(1, Math.round(layer.outChannels * (given.share as number)));
    // Before anything was measured all channels are alike, and the first ones are taken.
    const taken = greatest(importance ?? new Float32Array(layer.outChannels), count);
    return { ...given, channels: encodeIndices(taken, layer.outChannels) };
  },
  allot(layers, given, { importance, costs }) {
    if (given.channels !== "" || !layers.every(({ name }) => importance.has(name))) return layers.map(() => given);
    return competing(layers, given.share as number, { importance, costs }).map(
      (channels, at) => channels && { ...given, channels: encodeIndices(channels, layers[at]!.outChannels) },
    );
  },
  parameters(layer, given) {
    const count = chosen(layer, given).length;
    return [
      { name: "weight", dims: layer.weight!.dims.with(layer.weightAxis, count), changes: "weight" },
      ...(layer.bias ? [{ name: "bias", dims: [count], changes: "bias" as const, yields: true as const }] : []),
    ];
  },
  change(context) {
    const { layer, theta } = context;
    const [weight, bias] = [theta("weight"), theta("bias")];
    return {
      weight: weight && spread(context, weight, layer.weightAxis, layer.weight!.dims),
      bias: bias && spread(context, bias, 0, [layer.outChannels]),
    };
  },
  gradients: ({ layer, settings: given }, { weight, bias }) => ({
    weight: () => weight(chosen(layer, given)),
    bias: () => bias(chosen(layer, given)),
  }),
};

const UNITS = { channel: wholeChannels, weight: singleWeights } as const;

/**
 * Channels of all layers compete: what matters most for its cost comes first, until the share of all costs is used up.
 * @returns of each layer its channels in ascending order, or null where none of them is worth it
 */
function competing(
  layers: readonly Layer[],
  share: number,
  { importance, costs }: Allotment,
): (readonly number[] | null)[] {
  const candidates = layers.flatMap(({ name, outChannels }, layer) =>
    Array.from({ length: outChannels }, (_, channel) => {
      const cost = costs.get(name)!;
      return { layer, channel, cost, worth: importance.get(name)![channel]! / cost };
    }),
  );
  candidates.sort((a, b) => b.worth - a.worth || a.layer - b.layer || a.channel - b.channel);
  const found = layers.map(() => [] as number[]);
  let left = share;
  for (const [at, { layer, channel, cost }] of candidates.entries()) {
    // The best is taken at any price, so that there is something to train.
    if (cost > left + ROUNDING && at > 0) continue;
    left -= cost;
    found[layer]!.push(channel);
  }
  return found.map((channels) => (channels.length > 0 ? channels.sort((a, b) => a - b) : null));
}

/** All costs together are 1, but for what floats lose. */
const ROUNDING = 1e-9;

export const chosen = (layer: Layer, { channels }: Settings): number[] =>
  channels === "" ? [...Array(layer.outChannels).keys()] : decodeIndices(channels as string, layer.outChannels);

/** The chosen channels at their places among all, zeros elsewhere: a Gather from the parameters and one channel of zeros. */
function spread(
  { b, layer, settings: given }: ChangeContext,
  value: ValueName,
  axis: number,
  dims: readonly number[],
): ValueName {
  const channels = chosen(layer, given);
  const places = new Array<number>(layer.outChannels).fill(channels.length);
  channels.forEach((channel, at) => {
    places[channel] = at;
  });
  const padded = b.add("Concat", [value, zeroChannel(b, dims.with(axis, 1))], { axis });
  return b.add("Gather", [padded, b.constant("places", int64(places))], { axis });
}

const zeroChannel = (b: GraphBuilder, dims: readonly number[]): ValueName => b.constant("nothing", zeroTensor(dims));
