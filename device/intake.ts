import { extname } from "node:path";
import type { Logger } from "pino";
import { LichenError } from "../runtime/errors.ts";
import type { Adapters } from "./adapters/adapters.ts";
import type { Clock } from "./clock.ts";
import type { Engine } from "./engine.ts";
import type { InferenceLine } from "./inference/line.ts";
import type { LabelOrigin } from "./samples/sample.ts";
import type { SampleStore } from "./samples/store.ts";
import type { Inference, Sink, SourceFile } from "./sources/source.ts";

export interface IntakeParts {
  readonly engine: Engine;
  readonly adapters: Adapters;
  readonly line: InferenceLine;
  readonly store: SampleStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** A sample is on the medium that was not there before, or has another label. */
  stored(): void;
  /** Not of what somebody asked on the socket: that is answered there. */
  inferred(file: SourceFile, inference: Inference, source: string): void;
}

/** Where all sources deliver to: what comes in is looked at, then stored or inferred. */
export interface Intake {
  /** @param origin what a label counts that this source gives */
  sinkOf(source: string, origin: LabelOrigin): Sink;
  /** Infers and tells nobody but the caller.  @throws BAD_SAMPLE, QUEUE_FULL, … */
  infer(file: SourceFile, source: string): Promise<Inference>;
}

export function createIntake({ engine, adapters, line, store, clock, log, ...parts }: IntakeParts): Intake {
  const { labels } = engine.model.card;

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

  async function infer(file: SourceFile, source: string): Promise<Inference> {
    const startedMs = clock.monotonicMs();
    extensionOf(file);
    const { output, adapter } = await line.run(source, async () => adapters.serving().classify(await features(file)));
    return {
      label: output.label,
      confidence: output.confidence,
      probabilities: Object.fromEntries(labels.map((label, index) => [label, output.probabilities[index] ?? 0])),
      adapter,
      milliseconds: clock.monotonicMs() - startedMs,
    };
  }

  return {
    infer,
    sinkOf: (source, origin) => ({
      async sample(file, label) {
        const extension = extensionOf(file);
        const input = await features(file);
        const stored = await store.add({ bytes: file.bytes, label, extension, features: input, origin, source });
        log.debug({ label, file: file.name }, `sample ${stored}`);
        if (stored !== "known") parts.stored();
      },
      async infer(file) {
        const inference = await infer(file, source);
        const { label, confidence } = inference;
        log.info({ file: file.name, label, confidence: Number(confidence.toFixed(3)) }, "inferred");
        parts.inferred(file, inference, source);
        return inference;
      },
    }),
  };
}
