import { isWeighted, type Layer } from "../integer/layers.ts";
import { elementCount } from "../onnx/tensor.ts";
import { elementsPerSample } from "../shapes/dims.ts";
import type { ValueType } from "../shapes/rule.ts";

/** What training one output channel of a layer, weights and bias, takes. */
export interface ChannelCost {
  parameters: number;
  /** Multiply-accumulates of its gradients for one sample. */
  operations: number;
}

/** @param type of the layer's output */
export function channelCost(layer: Layer, { shape }: ValueType): ChannelCost {
  const weights = layer.weight ? elementCount(layer.weight.dims) / layer.outChannels : 0;
  const parameters = weights + (layer.bias ? 1 : 0);
  const places = elementsPerSample(shape) / layer.outChannels;
  return { parameters, operations: places * parameters };
}

/**
 * Costs of different kinds as one number: each as a share of what training all channels of all these layers would take, so that
 * a layer of many weights at few places and one of few weights at many can be compared.
 */
export function sharedCosts(layers: readonly Layer[], type: (name: string) => ValueType): ReadonlyMap<string, number> {
  const costs = layers.filter(isWeighted).map((layer) => ({
    layer,
    cost: channelCost(layer, type(layer.node.outputs[0]!)),
  }));
  const total = (key: keyof ChannelCost) =>
    costs.reduce((sum, { layer, cost }) => sum + layer.outChannels * cost[key], 0);
  const [parameters, operations] = [total("parameters"), total("operations")];
  return new Map(
    costs.map(({ layer, cost }) => [layer.name, (cost.parameters / parameters + cost.operations / operations) / 2]),
  );
}
