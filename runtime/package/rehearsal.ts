import { encodeSafetensors } from "../adapter/safetensors.ts";
import { assertWanted } from "../errors.ts";
import { openSession } from "../execute/session.ts";
import { normalizeModel } from "../normalize/index.ts";
import type { Graph, Model, ValueName } from "../onnx/graph.ts";
import { concatRows, int64, type Tensor } from "../onnx/tensor.ts";
import { checkedFeatures, featuresOf, labelIndex, type Sample } from "../train/samples.ts";
import { argmax } from "../train/score.ts";
import type { Card } from "./card.ts";
import type { Rehearsal } from "./package.ts";

export interface RehearsalOptions {
  /** Examples of each class; half of them train along, the others measure what is forgotten. */
  perClass?: number;
  signal?: AbortSignal;
}

const EXAMPLES_PER_CLASS = 8;

/**
 * What adaptation must not forget: samples as the quantized input of the model, only such as the model gets right, since what it never
 * knew cannot be forgotten. Of each class the first that it gets right are taken; of a class that it never gets right, none.
 * @returns null where the model gets nothing right
 * @throws UNKNOWN_CLASS, BAD_SAMPLE, CANCELLED
 */
export async function makeRehearsal(
  model: Model,
  { labels }: Pick<Card, "labels">,
  samples: readonly Sample[],
  { perClass = EXAMPLES_PER_CLASS, signal }: RehearsalOptions = {},
): Promise<Rehearsal | null> {
  // The codes are those that training reads: uint8, also where the package itself holds int8 for arm64.
  const normalized = normalizeModel(model);
  const { graph } = normalized;
  const input = graph.inputs[0]!;
  const output = graph.outputs[0]!.name;
  const value = firstValue(graph);
  const outputs = [{ name: output }, ...(value === input.name ? [] : [{ name: value }])];
  const session = await openSession({ ...normalized, graph: { ...graph, outputs } });
  const chosen = new Map<number, Tensor[]>();
  try {
    for (const sample of samples) {
      assertWanted(signal, "rehearsal");
      const label = labelIndex(labels, sample);
      const examples = chosen.get(label) ?? [];
      if (examples.length === perClass) continue;
      const features = checkedFeatures(await featuresOf(sample), input);
      const { [output]: answer, [value]: code = features } = await session.run({ [input.name]: features });
      if (argmax(answer!.data as Float32Array) === label) chosen.set(label, [...examples, code]);
    }
  } finally {
    await session.close();
  }
  const classes = [...chosen.keys()].sort((a, b) => a - b);
  if (classes.length === 0) return null;
  return {
    value,
    features: concatRows(classes.flatMap((label) => chosen.get(label)!)),
    labels: classes.flatMap((label) => chosen.get(label)!.map(() => label)),
  };
}

/** The same rehearsal, model and labels give the same bytes. @param modelSha256 of `model.onnx` */
export const encodeRehearsal = ({ value, features, labels }: Rehearsal, modelSha256: string): Uint8Array =>
  encodeSafetensors(
    new Map([
      [value, features],
      ["labels", int64(labels)],
    ]),
    { value, model: modelSha256 },
  );

/** The quantized input, a quarter of the input's size; the input itself, where real numbers are computed with. */
function firstValue({ inputs, nodes }: Graph): ValueName {
  const input = inputs[0]!.name;
  const readers = nodes.filter((node) => node.inputs.includes(input));
  return readers.length === 1 && readers[0]!.opType === "QuantizeLinear" ? readers[0]!.outputs[0]! : input;
}
