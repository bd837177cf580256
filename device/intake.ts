import { extname } from "node:path";
import type { Logger } from "pino";
import { LichenError } from "../runtime/errors.ts";
import type { Classification } from "../runtime/index.ts";
import type { Adapters, Reading } from "./adapters/adapters.ts";
import type { Clock } from "./clock.ts";
import type { Engine } from "./engine.ts";
import type { InferenceLine } from "./inference/line.ts";
import { believed } from "./labels/confidence.ts";
import type { ConfidencePolicy } from "./labels/config.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { decodeFeatures, FEATURES_EXTENSION, preprocessingId } from "./samples/features.ts";
import type { LabelOrigin } from "./samples/sample.ts";
import type { IncomingSample, SampleStore, Stored } from "./samples/store.ts";
import type { Inference, Sink, SourceFile } from "./sources/source.ts";

export interface IntakeParts {
  readonly engine: {
    readonly model: { readonly card: Pick<Engine["model"]["card"], "labels" | "preprocessing"> };
    readonly preprocessor: Pick<Engine["preprocessor"], "extensions" | "features">;
  };
  readonly adapters: { serving(): Pick<ReturnType<Adapters["serving"]>, "classify"> };
  readonly line: Pick<InferenceLine, "run">;
  readonly store: Pick<SampleStore, "add">;
  /** Which of what is only inferred becomes a sample. */
  readonly keeping: { readonly unlabelled: boolean; readonly confidence: ConfidencePolicy | undefined };
  readonly clock: Clock;
  readonly log: Logger;
  /** A sample is on the medium that was not there before, or has another label. */
  stored(): void;
  /** An answer goes out. */
  answered(input: Reading, output: Classification, adapter: string | null): void;
  /** Beside `stored`: what was said of a sample. */
  labelled(input: Reading, label: string): void;
  /** Not of what somebody asked on the socket: that is answered there. */
  inferred(file: SourceFile, inference: Inference, source: string): void;
}

/** Where all sources deliver to: what comes in is looked at, then stored or inferred. */
export interface Intake {
  /** @param origin what a label counts that this source gives */
  sinkOf(source: string, origin: LabelOrigin): Sink;
  /** Infers and tells nobody but the caller.  @throws BAD_SAMPLE, QUEUE_FULL, … */
  infer(file: SourceFile, source: string): Promise<Inference>;
  /** A sample of an archive. @throws as a sink */
  take(sample: IncomingSample, file: string): Promise<Stored>;
}

export function createIntake({ engine, adapters, line, store, clock, log, ...parts }: IntakeParts): Intake {
  const { labels, preprocessing } = engine.model.card;
  const madeBy = preprocessingId(preprocessing);

  /** @throws BAD_SAMPLE for a name that the model's kind of sample does not have */
  function extensionOf(file: SourceFile): string {
    const { extensions } = engine.preprocessor;
    const extension = extname(file.name).toLowerCase();
    if (extensions.includes(extension)) return extension;
    throw new LichenError("BAD_SAMPLE", { at: file.at, found: `the name ${file.name}`, wanted: extensions.join(", ") });
  }

  async function features(file: SourceFile) {
    try {
      return await engine.preprocessor.features(file.bytes, file.at);
    } catch (cause) {
      // Bytes from outside may break a decoder in ways it does not name: still the file's fault, and for good.
      if (cause instanceof LichenError) throw cause;
      throw new LichenError("BAD_SAMPLE", { at: file.at, found: String(cause), cause });
    }
  }

  /** One sample at a time is looked at, beside the inference in hand: a decoded picture takes many times its file in memory. */
  const looks = oneAtATime();
  const featuresInTurn = (file: SourceFile) => looks.do(() => features(file));

  async function inferred(file: SourceFile, source: string) {
    const startedMs = clock.monotonicMs();
    extensionOf(file);
    const { input, output, adapter } = await line.run(source, async () => {
      const input = await features(file);
      return { input, ...(await adapters.serving().classify(input)) };
    });
    parts.answered(input, output, adapter);
    const inference: Inference = {
      label: output.label,
      confidence: output.confidence,
      probabilities: Object.fromEntries(labels.map((label, index) => [label, output.probabilities[index] ?? 0])),
      adapter,
      milliseconds: clock.monotonicMs() - startedMs,
    };
    return { inference, input };
  }

  /** What was inferred is kept where somebody may label it later, or the model is sure of it; that is no reason for an inference to fail. */
  async function keep(file: SourceFile, source: string, { inference, input }: Awaited<ReturnType<typeof inferred>>) {
    const { label, confidence, adapter, probabilities } = inference;
    const belief = believed(probabilities, parts.keeping.confidence);
    if (belief === null && !parts.keeping.unlabelled) return;
    const stored = await store
      .add({
        ...{ bytes: file.bytes, extension: extensionOf(file), features: input, source },
        ...{ label: belief, origin: "confidence", prediction: { label, confidence, adapter } },
      })
      .catch((error) => log.warn({ err: error, file: file.name }, "what was inferred could not be kept"));
    if (belief !== null && (stored === "stored" || stored === "relabelled")) parts.stored();
  }

  return {
    infer: async (file, source) => (await inferred(file, source)).inference,
    async take(sample, file) {
      const source = { bytes: sample.bytes, name: file, at: file };
      if (sample.extension === FEATURES_EXTENSION) decodeFeatures(sample.bytes, file, madeBy);
      else extensionOf(source);
      const input = sample.extension === FEATURES_EXTENSION ? {} : { features: await featuresInTurn(source) };
      const stored = await store.add({ ...sample, ...input });
      if (stored !== "known" && sample.label !== null) parts.stored();
      return stored;
    },
    sinkOf: (source, origin) => ({
      async sample(file, label) {
        const extension = extensionOf(file);
        const input = await featuresInTurn(file);
        const stored = await store.add({ bytes: file.bytes, label, extension, features: input, origin, source });
        log.debug({ label, file: file.name }, `sample ${stored}`);
        if (stored === "known" || label === null) return;
        parts.stored();
        parts.labelled(input, label);
      },
      async infer(file) {
        const result = await inferred(file, source);
        const { inference } = result;
        const { label, confidence } = inference;
        log.info({ file: file.name, label, confidence: Number(confidence.toFixed(3)) }, "inferred");
        parts.inferred(file, inference, source);
        await keep(file, source, result);
        return inference;
      },
    }),
  };
}
