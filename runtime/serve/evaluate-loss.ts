import type { Confidence, LossScore } from "../adapter/adapter.ts";
import { LichenError } from "../errors.ts";
import { bytesOf } from "../onnx/tensor.ts";
import { classesOf, classIndex, featuresOf, type Sample } from "../train/samples.ts";
import { confidence, multiLabelScore, reconstructionScore } from "../train/score.ts";
import type { TaskLoss } from "../train/task.ts";
import { type Answers, answersOf, type EvaluateOptions } from "./answers.ts";
import { servedModel } from "./merge.ts";

/** What there is no accuracy of. */
export type MeasuredLoss = Exclude<TaskLoss, "cross-entropy">;

export interface LossEvaluation extends LossScore {
  /** Of unlabelled samples, beside their entropy. */
  confidence?: Confidence;
  /** Mean time of an inference, one sample at a time. */
  millisecondsPerSample: number;
}

type Scorer = (answers: Answers, options: EvaluateOptions) => Promise<(LossScore & { confidence?: Confidence }) | null>;

const SCORERS: Readonly<Record<MeasuredLoss, Scorer>> = {
  async bce({ logits }, { model, adapter, samples }) {
    const classes = classesOf(model, adapter);
    return multiLabelScore(
      logits,
      samples.map((sample) => {
        const own = labelsOf(sample).map((label) => classIndex(classes, label));
        return classes.map((_, at) => (own.includes(at) ? 1 : 0));
      }),
    );
  },
  async reconstruction({ outputs }, { samples }) {
    const targets = await Promise.all(samples.map(async (sample) => asFloats(bytesOf(await featuresOf(sample)))));
    return reconstructionScore(outputs, targets);
  },
  async entropy({ logits }) {
    const found = confidence(logits);
    return found && { samples: found.samples, loss: found.entropy, confidence: found };
  },
};

/**
 * How well the model that would be served does on what has no right and wrong: several labels a sample, its own input again, or no
 * labels at all.
 * @throws TOO_FEW_SAMPLES, UNKNOWN_CLASS, CANCELLED, ADAPTER_…; BAD_ARGUMENT when the model's outputs are not what the loss is about
 */
export async function evaluateLoss(loss: MeasuredLoss, options: EvaluateOptions): Promise<LossEvaluation> {
  const { model, adapter, samples } = options;
  const answers = await answersOf(options, await servedModel(model, adapter));
  const [first] = samples;
  if (!first) throw new LichenError("TOO_FEW_SAMPLES", { found: 0, wanted: "at least one" });
  const wanted =
    loss === "reconstruction" ? (await featuresOf(first)).data.length : classesOf(model, options.adapter).length;
  if (answers.outputs[0]!.length !== wanted) {
    throw new LichenError("BAD_ARGUMENT", {
      at: `loss ${loss}`,
      found: `${answers.outputs[0]!.length} outputs`,
      wanted: loss === "reconstruction" ? `${wanted}, as many as inputs` : `${wanted}, one for each class`,
      todo: "use the loss that the model was made for",
    });
  }
  const found = (await SCORERS[loss](answers, options))!;
  return { ...found, millisecondsPerSample: answers.milliseconds / samples.length };
}

const labelsOf = ({ label }: Sample): readonly string[] =>
  label === null ? [] : typeof label === "string" ? [label] : label;

const asFloats = (bytes: Uint8Array): Float32Array =>
  new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / 4);
