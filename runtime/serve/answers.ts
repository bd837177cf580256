import type { Adapter } from "../adapter/adapter.ts";
import { beforeActivation } from "../derive/base.ts";
import { assertWanted } from "../errors.ts";
import { openSession } from "../execute/session.ts";
import type { ModelPackage } from "../package/package.ts";
import { checkedFeatures, featuresOf, type Sample } from "../train/samples.ts";
import { rows } from "../train/score.ts";
import { OUTPUTS } from "./outputs.ts";

export interface EvaluateOptions {
  model: ModelPackage;
  adapter?: Adapter;
  samples: readonly Sample[];
  threads?: number;
  /** A clock in milliseconds; without one `millisecondsPerSample` is 0. */
  clockMs?: () => number;
  signal?: AbortSignal;
}

export interface Answers {
  /** Of each sample: all its outputs in one row, as logits where the model ends in probabilities. */
  logits: Float32Array[];
  /** The same as the model gave them. */
  outputs: Float32Array[];
  /** Of all inferences, one sample at a time. */
  milliseconds: number;
}

/** What a served model answers to samples. @throws CANCELLED, BAD_SAMPLE */
export async function answersOf(options: Omit<EvaluateOptions, "adapter">, served: Uint8Array): Promise<Answers> {
  const { model, samples, signal, clockMs = () => 0 } = options;
  const { inputs, outputs: ends } = model.model.graph;
  const [input, output] = [inputs[0]!, ends[0]!.name];
  const { activation } = beforeActivation(model.model.graph, output);
  const answers: Answers = { logits: [], outputs: [], milliseconds: 0 };
  if (samples.length === 0) return answers;
  const session = await openSession(served, { threads: options.threads ?? 1 });
  try {
    for (const sample of samples) {
      assertWanted(signal, "evaluation");
      const features = checkedFeatures(await featuresOf(sample), input);
      const startedMs = clockMs();
      const { [output]: answer } = await session.run({ [input.name]: features });
      answers.milliseconds += clockMs() - startedMs;
      const [row] = rows(answer!, answer!.data.length);
      answers.outputs.push(row!);
      answers.logits.push(OUTPUTS[activation].logits(row!));
    }
    return answers;
  } finally {
    await session.close();
  }
}
