import { beforeActivation } from "../derive/base.ts";
import { assertWanted } from "../errors.ts";
import { openSession, type Session } from "../execute/session.ts";
import { asModel } from "../onnx/builder.ts";
import { dequantized } from "../onnx/dequantize.ts";
import type { Graph, Model, ValueName } from "../onnx/graph.ts";
import { elementCount, type Tensor } from "../onnx/tensor.ts";
import type { Pass } from "./calibration/observe.ts";
import { inBatches, rowsOf } from "./calibration/samples.ts";
import { type ComparedLayer, layersAlone, localName } from "./layers-alone.ts";
import type { Probed } from "./probe.ts";

/** How far what a layer computes in int8 is from what it computes in float, in dB: 20 more are a tenth of the noise. */
export interface LayerNoise {
  name: string;
  operator: string;
  /** With this layer alone quantized; null where it reads what no other layer has quantized. */
  local: number | null;
  /** With all layers before it quantized too. */
  accumulated: number;
}

/** Signal and noise, summed up as samples go by. */
interface Ratio {
  signal: number;
  noise: number;
}

/** No noise at all is reported as this: JSON has no infinity. */
const NOISELESS_DB = 200;

/** Runs both graphs side by side. @param reals the float value that codes stand for */
export async function layerNoise(
  float: Graph,
  quantized: Model,
  layers: readonly ComparedLayer[],
  reals: ReadonlyMap<ValueName, ValueName>,
  probed: ReadonlyMap<ValueName, Probed>,
  { samples, threads, signal }: Pass,
): Promise<LayerNoise[]> {
  if (layers.length === 0) return [];
  const { graph } = quantized;
  const input = float.inputs[0]!.name;
  const alone = layersAlone(graph, layers, reals, probed);
  const values = [...new Set([...layers.map(({ value }) => value), ...alone.inputs.map(({ name }) => name)])];
  const found = layers.map(({ value, codes }) => codes ?? value);
  const graphs = [withOutputs(float, values, input), withOutputs(graph, found, input)];
  const sessions = await openAll(alone.outputs.length > 0 ? [...graphs, alone] : graphs, threads);
  const [inFloat, inCodes, byThemselves] = sessions as [Session, Session, Session?];
  const ratios = layers.map(() => ({ accumulated: noRatio(), local: noRatio() }));
  const bytes = values.reduce((sum, value) => sum + 12 * elementCount(probed.get(value)!.dims), 1);
  const rows = Math.min(rowsOf(float), Math.max(1, Math.floor(BYTES_AT_ONCE / bytes)));
  try {
    for await (const batch of inBatches(samples, rows)) {
      assertWanted(signal, "measuring noise");
      const real = { ...(await inFloat.run({ [input]: batch })), [input]: batch };
      const codes = await inCodes.run({ [input]: batch });
      const fed = Object.fromEntries(alone.inputs.map(({ name }) => [name, real[name]!]));
      const local = byThemselves ? await byThemselves.run(fed) : {};
      for (const [at, layer] of layers.entries()) {
        const exact = real[layer.value]!.data as Float32Array;
        const dequantized = layer.codes
          ? realNumbers(graph, codes[layer.codes]!, layer.codes)
          : codes[layer.value]!.data;
        add(ratios[at]!.accumulated, exact, dequantized as Float32Array);
        const own = local[localName(layer)];
        if (own) add(ratios[at]!.local, exact, own.data as Float32Array);
      }
    }
  } finally {
    for (const session of sessions) await session.close();
  }
  const measured = new Set(alone.outputs.map(({ name }) => name));
  return layers.map((layer, at) => ({
    name: layer.name,
    operator: layer.operator,
    local: measured.has(localName(layer)) ? decibels(ratios[at]!.local) : null,
    accumulated: decibels(ratios[at]!.accumulated),
  }));
}

/** How far a model's answers are from another's, in dB; its logits, where it answers with what a Softmax makes of them. */
export async function outputNoise(float: Model, quantized: Model, { samples, threads, signal }: Pass): Promise<number> {
  const input = float.graph.inputs[0]!.name;
  const output = commonAnswer(float.graph, quantized.graph);
  const ending = ({ graph }: Model): Graph => ({ ...graph, outputs: [{ name: output }] });
  const sessions = await openAll([ending(float), ending(quantized)], threads);
  const [exact, codes] = sessions as [Session, Session];
  const ratio = noRatio();
  try {
    for await (const batch of inBatches(samples, Math.min(ROWS, rowsOf(float.graph)))) {
      assertWanted(signal, "measuring noise");
      const [a, b] = [await exact.run({ [input]: batch }), await codes.run({ [input]: batch })];
      add(ratio, a[output]!.data as Float32Array, b[output]!.data as Float32Array);
    }
  } finally {
    for (const session of sessions) await session.close();
  }
  return decibels(ratio);
}

function commonAnswer(float: Graph, quantized: Graph): ValueName {
  const { logits } = beforeActivation(float, float.outputs[0]!.name);
  const isThere = quantized.nodes.some(({ outputs }) => outputs.includes(logits));
  return isThere ? logits : float.outputs[0]!.name;
}

const BYTES_AT_ONCE = 64 * 2 ** 20;
const ROWS = 8;

const noRatio = (): Ratio => ({ signal: 0, noise: 0 });

function add(ratio: Ratio, exact: Float32Array, found: Float32Array): void {
  let [signal, noise] = [0, 0];
  for (let index = 0; index < exact.length; index++) {
    const value = exact[index]!;
    signal += value * value;
    noise += (value - found[index]!) ** 2;
  }
  ratio.signal += signal;
  ratio.noise += noise;
}

/** A value that is always zero, and right, has no noise either. */
const decibels = ({ signal, noise }: Ratio): number =>
  noise === 0 ? NOISELESS_DB : Math.min(NOISELESS_DB, Math.max(-NOISELESS_DB, 10 * Math.log10(signal / noise)));

const openAll = (graphs: readonly Graph[], threads: number): Promise<Session[]> =>
  Promise.all(graphs.map((graph) => openSession(asModel(graph), { threads })));

const withOutputs = (graph: Graph, values: readonly ValueName[], input: ValueName): Graph => ({
  ...graph,
  outputs: [...new Set(values)].filter((name) => name !== input).map((name) => ({ name })),
});

function realNumbers({ nodes, initializers }: Graph, found: Tensor, codes: ValueName): Float32Array {
  const quantize = nodes.find(({ outputs }) => outputs[0] === codes)!;
  const [scale, zeroPoint] = [1, 2].map((at) => initializers.get(quantize.inputs[at]!)!.data as Float32Array);
  return dequantized(found, scale!, zeroPoint!, 0);
}
