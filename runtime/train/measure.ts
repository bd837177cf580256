import type { Metrics } from "../adapter/adapter.ts";
import type { Tensors } from "../execute/session.ts";
import { bytesOf } from "../onnx/tensor.ts";
import type { Dataset } from "./dataset.ts";
import { featuresOf } from "./samples.ts";
import { confidence, multiLabelScore, reconstructionScore, score } from "./score.ts";
import type { Task, TaskLoss } from "./task.ts";
import type { Evaluator } from "./trainer.ts";

/** Judges parameters on what was held out. @param classes how many of the outputs there are yet */
export type Measure = (parameters: Tensors, classes?: number) => Promise<Metrics>;

interface Outputs {
  heldOut: readonly Float32Array[];
  rehearsal: readonly Float32Array[];
  rehearsalLabels: readonly number[];
  /** Of the held-out samples. */
  labels: readonly (readonly number[])[];
  inputs: readonly Float32Array[];
  names: readonly string[] | undefined;
}

/** How well the outputs do, for each thing that can be learnt. */
const SCORES: Readonly<Record<TaskLoss, (outputs: Outputs) => Metrics>> = {
  "cross-entropy": classified,
  entropy: classified,
  bce: ({ heldOut, labels, rehearsal, rehearsalLabels }) => ({
    ...NOTHING,
    losses: {
      heldOut: multiLabelScore(heldOut, hot(labels, heldOut)),
      rehearsal: multiLabelScore(
        rehearsal,
        hot(
          rehearsalLabels.map((label) => [label]),
          rehearsal,
        ),
      ),
    },
  }),
  reconstruction: ({ heldOut, inputs }) => ({
    ...NOTHING,
    losses: { heldOut: reconstructionScore(heldOut, inputs), rehearsal: null },
  }),
};

const NOTHING = { heldOut: null, rehearsal: null };

function classified({ heldOut, labels, rehearsal, rehearsalLabels, names }: Outputs): Metrics {
  const [labelled, others] = [true, false].map((wanted) =>
    [...labels.keys()].filter((at) => labels[at]!.length > 0 === wanted),
  ) as [number[], number[]];
  const unsure = confidence(others.map((at) => heldOut[at]!));
  return {
    heldOut: score(
      labelled.map((at) => heldOut[at]!),
      labelled.map((at) => labels[at]![0]!),
      names,
    ),
    rehearsal: score(rehearsal, rehearsalLabels),
    ...(unsure && { confidence: unsure }),
  };
}

const hot = (labels: readonly (readonly number[])[], outputs: readonly Float32Array[]): Float32Array[] =>
  labels.map((own, sample) => Float32Array.from(outputs[sample]!, (_, at) => (own.includes(at) ? 1 : 0)));

export async function measureWith(evaluator: Evaluator, task: Task, { heldOut, rehearsal }: Dataset): Promise<Measure> {
  const inputs =
    task.loss === "reconstruction"
      ? await Promise.all(task.heldOut.map(async (at) => asFloats(bytesOf(await featuresOf(task.samples[at]!)))))
      : [];
  const labels = task.heldOut.map((at) => task.labels[at]!);
  const names = task.newClasses > 0 ? task.classes : undefined;
  return async (parameters, classes) => {
    const within = (rows: Float32Array[]) =>
      classes === undefined ? rows : rows.map((row) => row.subarray(0, classes));
    return SCORES[task.loss]({
      heldOut: within(await evaluator.logits(heldOut, parameters)),
      rehearsal: within(await evaluator.logits(rehearsal.rows, parameters)),
      rehearsalLabels: rehearsal.labels,
      labels,
      inputs,
      names,
    });
  };
}

const asFloats = (bytes: Uint8Array): Float32Array =>
  new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / 4);
