import { LichenError } from "../errors.ts";
import type { Tensors } from "../execute/session.ts";
import { isLinear, isWeighted, type Layer } from "../integer/layers.ts";
import { realConstant } from "../integer/quantized.ts";
import { elementCount, type Tensor } from "../onnx/tensor.ts";
import { parameterName } from "../plan/parts.ts";
import type { Plan } from "../plan/plan.ts";
import { observe } from "./observe.ts";
import type { CachedRows } from "./rows.ts";

/** Cached samples, and how much each of them counts; all alike, without weights. */
export interface Population {
  rows: CachedRows;
  weights?: readonly number[];
}

export interface AlignOptions {
  /** Samples of the place. */
  local: Population;
  /** Samples of the world that the base was made in. */
  reference: Population;
  threads: number;
  signal?: AbortSignal | undefined;
}

/**
 * Start parameters that bring the outputs of every layer back to where they are in the base's own world: the mean and the deviation
 * of each channel over local samples become those over reference samples. Layer by layer, since what one gets depends on those before
 * it. The last layer stays as it is: its means say how often each class comes.
 * @throws BAD_ARGUMENT where the plan trains no layer's bias together with its factor or its weight, CANCELLED
 * @see Li et al. 2016, AdaBN, arXiv:1603.04779; Schneider et al. 2020, arXiv:2006.16971
 */
export async function aligned(plan: Plan, start: Tensors, options: AlignOptions): Promise<Tensors> {
  const layers = plan.targets.map(({ layer }) => layer).filter((layer) => isAlignable(layer, start));
  if (layers.length === 0) {
    throw new LichenError("BAD_ARGUMENT", {
      at: "align",
      found: `method ${plan.method}`,
      wanted: "one that trains biases with factors or weights, such as bias+scale or full",
    });
  }
  const wanted = await momentsOf(plan, start, layers, options.reference, options);
  let parameters = start;
  for (const layer of layers) {
    const found = await momentsOf(plan, parameters, [layer], options.local, options);
    parameters = { ...parameters, ...moved(plan, layer, parameters, found.get(layer)!, wanted.get(layer)!) };
  }
  return parameters;
}

const named = (layer: Layer, start: Tensors) => {
  const [scale, weight, bias] = ["scale", "weight", "bias"].map((name) => parameterName(layer, name)) as [
    string,
    string,
    string,
  ];
  // What trains single channels of a weight has its parameters in another shape.
  const whole = start[weight]?.dims.join() === layer.weight?.dims.join();
  return { scale: start[scale] && scale, weight: whole ? weight : undefined, bias: start[bias] && bias };
};

function isAlignable(layer: Layer, start: Tensors): boolean {
  const { scale, weight, bias } = named(layer, start);
  return isWeighted(layer) && !isLinear(layer) && Boolean(layer.bias && bias && (scale || weight));
}

/** Mean and deviation of each output channel. */
interface Moments {
  mean: Float64Array;
  deviation: Float64Array;
}

/** A factor beyond this would say that a channel is dead in one of the two worlds, and not how it has moved. */
const MOST = 4;

/**
 * A channel of z = Wx + b with mean m and deviation d gets mean M and deviation D by r = D/d on its weights, and a bias that makes up
 * for what r does to the mean.
 */
function moved(plan: Plan, layer: Layer, parameters: Tensors, found: Moments, wanted: Moments): Tensors {
  const ratios = found.deviation.map((deviation, channel) =>
    deviation > 0 ? Math.min(MOST, Math.max(1 / MOST, wanted.deviation[channel]! / deviation)) : 1,
  );
  const { scale, weight, bias } = named(layer, parameters);
  const base = (kind: "weight" | "bias") => {
    const { at, dequantize } = layer[kind]!;
    return realConstant(plan.base.graph, layer.node.inputs[at]!, dequantize, kind === "weight" ? layer.weightAxis : 0);
  };
  const changed = (name: string, change: (delta: number, at: number) => number): Tensors => {
    const tensor = parameters[name]!;
    return { [name]: { ...tensor, data: (tensor.data as Float32Array).map(change) } };
  };
  const biases = base("bias");
  const shifted = changed(bias!, (delta, channel) => {
    const constant = biases[channel]! + delta;
    return wanted.mean[channel]! - ratios[channel]! * (found.mean[channel]! - constant) - biases[channel]!;
  });
  if (scale) return { ...shifted, ...changed(scale, (factor, channel) => (1 + factor) * ratios[channel]! - 1) };
  const weights = base("weight");
  const inner = elementCount(layer.weight!.dims.slice(layer.weightAxis + 1));
  return {
    ...shifted,
    ...changed(weight!, (delta, at) => {
      const ratio = ratios[Math.floor(at / inner) % layer.outChannels]!;
      return ratio * (weights[at]! + delta) - weights[at]!;
    }),
  };
}

async function momentsOf(
  plan: Plan,
  parameters: Tensors,
  layers: readonly Layer[],
  { rows, weights }: Population,
  { threads, signal }: AlignOptions,
): Promise<Map<Layer, Moments>> {
  const output = ({ node }: Layer) => node.outputs[0]!;
  const sums = new Map(layers.map((layer) => [layer, channelSums(layer)]));
  const see = (found: Tensors, batch: readonly number[]) => {
    const counts = batch.map((row) => weights?.[row] ?? 1);
    for (const [layer, sum] of sums) sum.add(found[output(layer)]!, counts);
  };
  const all = Array.from({ length: rows.count }, (_, row) => row);
  await observe(plan, parameters, layers.map(output), rows, all, see, { purpose: "aligning", threads, signal });
  return new Map([...sums].map(([layer, sum]) => [layer, sum.moments()]));
}

/** Sums over everything but the channels, in float64. */
function channelSums({ outChannels, outputAxis }: Layer) {
  const sums = new Float64Array(outChannels);
  const squares = new Float64Array(outChannels);
  let total = 0;
  return {
    /** @param values [N, …]  @param counts [N] */
    add({ dims, data }: Tensor, counts: readonly number[]): void {
      const inner = elementCount(dims.slice(outputAxis < 0 ? dims.length + outputAxis + 1 : outputAxis + 1));
      const perRow = data.length / counts.length;
      // Millions of values: a plain loop, one stretch of a channel after the other.
      for (let from = 0, channel = 0; from < data.length; from += inner, channel = (channel + 1) % outChannels) {
        const count = counts[Math.floor(from / perRow)]!;
        for (let at = from; at < from + inner; at++) {
          const value = data[at] as number;
          sums[channel]! += count * value;
          squares[channel]! += count * value * value;
        }
      }
      for (const count of counts) total += (count * perRow) / outChannels;
    },
    moments(): Moments {
      const mean = sums.map((sum) => sum / total);
      return { mean, deviation: squares.map((square, at) => Math.sqrt(Math.max(0, square / total - mean[at]! ** 2))) };
    },
  };
}
