import type { Layer } from "../integer/layers.ts";
import { elementCount, int64, zeroTensor } from "../onnx/tensor.ts";
import type { LayerMethod, Settings } from "./method.ts";
import { decodeIndices, encodeIndices, greatest } from "./settings.ts";

/** Where the worth of each single weight stands among what was measured of channels. */
export const weightsOf = (layer: string): string => `${layer}/weight`;

/** The single weights of all layers that matter most, wherever they are; they stand in one vector a layer. */
export const singleWeights: Required<Pick<LayerMethod, "settle" | "allot" | "parameters" | "change" | "gradients">> = {
  settle(layer, given) {
    if (given.weights !== "") return given;
    // Before anything was measured all are alike, and the first ones are taken.
    const count = Math.max(1, Math.round(total(layer) * (given.share as number)));
    return { ...given, weights: encodeIndices([...Array(count).keys()], total(layer)) };
  },
  allot(layers, given, { importance }) {
    if (given.weights !== "" || !layers.every(({ name }) => importance.has(weightsOf(name))))
      return layers.map(() => given);
    const worth = layers.map(({ name }) => importance.get(weightsOf(name))!);
    const begins = worth.map((_, at) => worth.slice(0, at).reduce((sum, { length }) => sum + length, 0));
    const all = new Float32Array(worth.reduce((sum, { length }) => sum + length, 0));
    for (const [at, values] of worth.entries()) all.set(values, begins[at]!);
    const mask = new Uint8Array(all.length);
    for (const at of greatest(all, Math.max(1, Math.round(all.length * (given.share as number))))) mask[at] = 1;
    return layers.map((_, at) => {
      const size = worth[at]!.length;
      const own = [...Array(size).keys()].filter((index) => mask[begins[at]! + index] === 1);
      return own.length > 0 ? { ...given, weights: encodeIndices(own, size) } : null;
    });
  },
  parameters: (layer, given) => [{ name: "weight", dims: [chosenWeights(layer, given).length], changes: "weight" }],
  change({ b, layer, settings: given, theta }) {
    const values = theta("weight");
    if (!values) return {};
    const places = b.constant("places", int64(chosenWeights(layer, given)));
    const flat = b.add("ScatterElements", [b.constant("nothing", zeroTensor([total(layer)])), places, values]);
    return { weight: b.add("Reshape", [flat, b.constant("shape", int64(layer.weight!.dims))]) };
  },
  gradients: ({ b, layer, settings: given }, { weight }) => ({
    weight: () => {
      const flat = b.add("Reshape", [weight(), b.constant("shape", int64([-1]))]);
      return b.add("Gather", [flat, b.constant("places", int64(chosenWeights(layer, given)))]);
    },
  }),
};

const total = ({ weight }: Layer): number => elementCount(weight!.dims);

/** All where it was never settled. */
export const chosenWeights = (layer: Layer, { weights }: Settings): number[] =>
  weights === "" ? [...Array(total(layer)).keys()] : decodeIndices(weights as string, total(layer));
