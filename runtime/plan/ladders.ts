import type { Base } from "../derive/base.ts";
import type { Layer } from "../integer/layers.ts";
import { encodeIndices, greatest } from "../methods/settings.ts";
import { type ChannelCost, channelCost } from "./costs.ts";
import type { PlanSpec } from "./plan-spec.ts";
import type { Importance } from "./spec.ts";

/** A way to train a layer, as a rung above the one before it. */
export interface Rung {
  layer: Layer;
  /** Place of the layer, to decide between equals. */
  place: number;
  choice: string;
  entries: PlanSpec;
  /** Of the whole choice, and of this rung above the last. */
  total: { gain: number; parameters: number };
  gain: number;
  cost: number;
}

/** Of each layer the choices that are worth their cost, cheapest first: each rung brings less for its cost than the one below. */
export function laddersOf(layers: readonly Layer[], base: Base, importance: Importance): Rung[][] {
  const costs = layers.map((layer) => channelCost(layer, base.types.get(layer.node.outputs[0]!)!));
  const total = (key: keyof ChannelCost) =>
    layers.reduce((sum, { outChannels }, at) => sum + outChannels * costs[at]![key], 0);
  const totals = { parameters: total("parameters"), operations: total("operations") };
  const known = layers.reduce((sum, { name }) => sum + sumOf(importance.get(name)!), 0) || 1;
  return layers.map((layer, place) => {
    const worth = importance.get(layer.name)!.map((value) => value / known);
    const { parameters, operations } = costs[place]!;
    const places = operations / parameters;
    const costOf = (numbers: number) => (numbers / totals.parameters + (numbers * places) / totals.operations) / 2;
    return convex(
      choicesFor(layer, worth, parameters).map(({ numbers, ...choice }) => ({
        ...choice,
        layer,
        place,
        cost: costOf(numbers),
        total: { gain: choice.gain, parameters: numbers },
      })),
    );
  });
}

/**
 * How much of a channel's information its parts can use, when they alone are trained: a bias moves the channel, a factor stretches it,
 * the weights turn it to anything. A judgement, not a measurement: only the order of the three is beyond doubt.
 */
const REACH = { bias: 0.4, scale: 0.15, weight: 1 } as const;

const SHARES = [1, 2, 3, 4].map((eighths) => eighths / 8);

interface Choice {
  choice: string;
  entries: PlanSpec;
  gain: number;
  numbers: number;
}

/** @param worth of each channel @param parameters of one channel, weights and bias */
function choicesFor(layer: Layer, worth: Float32Array, parameters: number): Choice[] {
  const { name: at, outChannels } = layer;
  const all = sumOf(worth);
  const entry = (method: string, settings: PlanSpec[number]["settings"] = {}) => ({ method, at, settings });
  const bias = layer.bias ? { entries: [entry("bias")], gain: REACH.bias * all, numbers: outChannels } : NOTHING;
  const ranked = greatest(worth, outChannels);
  const weights = parameters - (layer.bias ? 1 : 0);
  const sparse = SHARES.map((share): Choice => {
    const channels = ranked.slice(0, Math.max(1, Math.round(share * outChannels)));
    const reached = channels.reduce((sum, channel) => sum + worth[channel]!, 0);
    return {
      choice: `${layer.bias ? "bias + " : ""}weights of ${channels.length} of ${outChannels} channels`,
      entries: [...bias.entries, entry("sparse", { share, channels: encodeIndices(channels, outChannels) })],
      gain: bias.gain + (REACH.weight - (layer.bias ? REACH.bias : 0)) * reached,
      numbers: bias.numbers + channels.length * weights,
    };
  });
  return [
    ...(layer.bias ? [{ choice: "bias", ...bias }] : []),
    {
      choice: layer.bias ? "bias + scale" : "scale",
      entries: [...bias.entries, entry("scale")],
      gain: bias.gain + REACH.scale * all,
      numbers: bias.numbers + outChannels,
    },
    ...sparse,
    { choice: "whole", entries: [entry("full")], gain: REACH.weight * all, numbers: outChannels * parameters },
  ];
}

const NOTHING = { entries: [], gain: 0, numbers: 0 };

/** Leaves out what costs more for its gain than what comes after it, and makes each the difference to the one below. */
function convex(choices: readonly Rung[]): Rung[] {
  const kept: Rung[] = [];
  const slope = (above: Rung, below: Rung | undefined) =>
    (above.gain - (below?.gain ?? 0)) / (above.cost - (below?.cost ?? 0));
  for (const choice of choices.toSorted((a, b) => a.cost - b.cost || b.gain - a.gain)) {
    if (choice.gain <= (kept.at(-1)?.gain ?? 0)) continue;
    while (kept.length > 0 && slope(choice, kept.at(-1)) >= slope(kept.at(-1)!, kept.at(-2))) kept.pop();
    kept.push(choice);
  }
  return kept.map((rung, at) => ({
    ...rung,
    gain: rung.gain - (kept[at - 1]?.gain ?? 0),
    cost: rung.cost - (kept[at - 1]?.cost ?? 0),
  }));
}

export const sumOf = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0);
