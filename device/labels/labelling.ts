import type { Logger } from "pino";
import { errorCode } from "../../runtime/errors.ts";
import type { Clock } from "../clock.ts";
import type { Entry, LabelOrigin, Prediction } from "../samples/sample.ts";
import type { Labelled, SampleStore } from "../samples/store.ts";
import { topicMatches } from "../sync/topic-filter.ts";
import type { LabelsConfig } from "./config.ts";
import { type LabelRequest, parseLabelMessage, samplesMeant } from "./request.ts";
import { labelsFor, type Message } from "./rule.ts";

export interface LabellingOptions {
  readonly store: Pick<SampleStore, "all" | "label">;
  readonly rules: LabelsConfig["rules"];
  /** Filter of the topic where labels are spoken. */
  readonly topic: string;
  /** A sample has got a class. */
  readonly onLabelled: () => void;
  /** Somebody has said of a sample what it is, which the model had answered before. */
  readonly onJudged: (prediction: Prediction, label: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What became of one sample. */
export interface LabelledSample {
  readonly sha256: string;
  readonly before: string | null;
  readonly label: string | null;
  readonly outcome: Labelled;
}

export interface Labelling {
  /** Labels go to the medium one by one. @throws NO_SUCH_SAMPLE, BAD_ARGUMENT, UNKNOWN_CLASS, STORAGE_FAILED */
  label(request: LabelRequest, origin: LabelOrigin): Promise<LabelledSample[]>;
  /** A message of the label topic or of a second sensor. What it cannot do is logged: nobody waits for an answer. */
  hear(message: Message): Promise<void>;
}

/** Labels for samples that are there already, from wherever they come. */
export function createLabelling({
  store,
  rules,
  topic,
  onLabelled,
  onJudged,
  clock,
  log,
}: LabellingOptions): Labelling {
  async function labelAll(
    samples: readonly Pick<Entry, "sha256" | "label" | "prediction">[],
    label: string | null,
    origin: LabelOrigin,
  ): Promise<LabelledSample[]> {
    const labelled: LabelledSample[] = [];
    let gone: unknown;
    try {
      for (const { sha256, label: before, prediction } of samples) {
        const outcome = await store.label(sha256, label, origin).catch((error) => {
          // It may have made room for another meanwhile: those that are there have their label all the same.
          if (errorCode(error) !== "NO_SUCH_SAMPLE") throw error;
          gone = error;
          return null;
        });
        if (outcome === null) continue;
        if (before === null && label !== null && prediction && outcome === "relabelled") onJudged(prediction, label);
        labelled.push({ sha256, before, label: outcome === "stands" ? before : label, outcome });
      }
      if (labelled.length === 0) throw gone;
    } finally {
      if (label !== null && labelled.some(({ outcome }) => outcome === "relabelled")) onLabelled();
    }
    return labelled;
  }

  return {
    label: async ({ label, samples }, origin) =>
      labelAll(samplesMeant(samples, store.all(), clock.monotonicMs()), label, origin),
    async hear(message) {
      const nowMs = clock.monotonicMs();
      try {
        // The same label said again by the broker's memory is an old one, and «the last sample» another.
        if (topicMatches(topic, message.topic) && !message.retained) {
          const { label, samples } = parseLabelMessage(message.payload);
          await labelAll(samplesMeant(samples, store.all(), nowMs), label, "mqtt");
        }
        for (const rule of rules) {
          const meant = labelsFor(rule, message, store.all(), nowMs);
          if (meant.length > 0) await labelAll(meant, rule.label, "sensor");
        }
      } catch (error) {
        log.warn(
          { topic: message.topic },
          `a message labels nothing: ${error instanceof Error ? error.message : error}`,
        );
      }
    },
  };
}
