import type { Adapter } from "../adapter/adapter.ts";
import { beforeActivation } from "../derive/base.ts";
import { LichenError } from "../errors.ts";
import { openSession } from "../execute/session.ts";
import type { Tensor } from "../onnx/tensor.ts";
import type { ModelPackage } from "../package/package.ts";
import { checkedFeatures, classesOf } from "../train/samples.ts";
import { argmax } from "../train/score.ts";
import { servedModel } from "./merge.ts";
import { OUTPUTS } from "./outputs.ts";

export interface Classification {
  label: string;
  /** The label's probability, 0 to 1. */
  confidence: number;
  /** [classes], in the order of `labels` */
  probabilities: Float32Array;
}

/** A model at work, with or without an adapter folded in. */
export interface Classifier {
  labels: readonly string[];
  /** sha256 of the adapter, null for the bare base. */
  adapter: string | null;
  /** @param features [1, …], as the model's preprocessing makes them */
  classify(features: Tensor): Promise<Classification>;
  close(): Promise<void>;
}

export interface ClassifierOptions {
  adapter?: Adapter;
  threads?: number;
}

/** @throws ADAPTER_WRONG_BASE, ADAPTER_CORRUPT, BAD_CARD when the labels are not as many as the model's outputs */
export async function createClassifier(model: ModelPackage, options: ClassifierOptions = {}): Promise<Classifier> {
  const session = await openSession(await servedModel(model, options.adapter), { threads: options.threads ?? 1 });
  const input = model.model.graph.inputs[0]!;
  const output = model.model.graph.outputs[0]!.name;
  const { probabilities: probabilitiesOf } = OUTPUTS[beforeActivation(model.model.graph, output).activation];
  const labels = classesOf(model, options.adapter);
  // All that an answer needs of the model: a session has it in its own form, and nothing here is to hold it once more.
  const { path } = model;
  return {
    labels,
    adapter: options.adapter?.sha256 ?? null,
    async classify(features) {
      const { [output]: answer } = await session.run({ [input.name]: checkedFeatures(features, input) });
      if (answer?.data.length !== labels.length) {
        throw new LichenError("BAD_CARD", {
          at: path,
          found: `${labels.length} labels`,
          wanted: `${answer?.data.length}`,
        });
      }
      const probabilities = probabilitiesOf(answer.data as Float32Array);
      const best = argmax(probabilities);
      return { label: labels[best]!, confidence: probabilities[best]!, probabilities };
    },
    close: () => session.close(),
  };
}
