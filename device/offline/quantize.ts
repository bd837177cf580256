import { stat } from "node:fs/promises";
import { createPreprocessor, evaluate, LichenError, loadModel, type Sample } from "../../runtime/index.ts";
import type { Model } from "../../runtime/onnx/graph.ts";
import type { Tensor } from "../../runtime/onnx/tensor.ts";
import type { Card } from "../../runtime/package/card.ts";
import { type CardDraft, type EncodedPackage, encodePackage } from "../../runtime/package/encode.ts";
import {
  type CalibrationMethod,
  type QuantizationReport,
  type QuantizeProgress,
  quantizeWithReport,
  type Samples,
  type Target,
} from "../../runtime/quantize/index.ts";
import { matcher } from "../../runtime/quantize/patterns.ts";
import { checkedFeatures, featuresOf } from "../../runtime/train/samples.ts";
import { readDataset, readLabelled } from "./dataset.ts";
import { type ImportFileOptions, importBytes, readModel } from "./import-file.ts";
import { makePlaceForPackage, writePackageFolder } from "./package-folder.ts";
import { missedClasses, rehearse } from "./rehearse.ts";

export interface OfflineQuantizeOptions extends Omit<ImportFileOptions, "target"> {
  /** A folder of samples as the model will meet them; labels do no harm. */
  calibration: string;
  /** The folder of the package. */
  out: string;
  /** Labelled samples to measure accuracy with, else what calibration leaves over. */
  val?: string;
  /** How many samples to calibrate with. */
  samples?: number;
  method?: CalibrationMethod | "auto";
  equalize?: boolean;
  biasCorrection?: boolean;
  target?: Target;
  fullRange?: boolean;
  float?: readonly string[];
  rehearsal?: string;
  perClass?: number;
  threads?: number;
  force?: boolean;
}

/** The schema of `lichen quantize --json`. */
export interface OfflineQuantizeResult {
  schema: "lichen/quantize/1";
  model: string;
  out: string;
  card: Card;
  report: QuantizationReport;
  /** Null without labelled samples whose classes the model knows. */
  accuracy: { float: number; int8: number; samples: number; from: "val" | "unused" | "calibration" } | null;
  rehearsal: { examples: number; classes: number } | null;
  /** What was changed and what was assumed on the way in. */
  notes: readonly string[];
}

const SAMPLES = 200;

/**
 * Makes an int8 package of a float model: of a file as `lichen import` takes it, or of a package. Nothing is written before all is
 * measured.
 * @throws what `importModel` and `loadModel` throw; NOTHING_TO_QUANTIZE, TOO_FEW_SAMPLES, BAD_ARGUMENT, STORAGE_FAILED, CANCELLED
 */
export async function runOfflineQuantize(
  location: string,
  options: OfflineQuantizeOptions,
  onProgress?: (progress: QuantizeProgress) => void,
  signal?: AbortSignal,
): Promise<OfflineQuantizeResult> {
  const { out, threads = 1, equalize = true, biasCorrection = true } = options;
  await makePlaceForPackage(out, { force: options.force, source: location });
  const { model, card, notes } = await floatModel(location, options);
  const preprocessor = createPreprocessor(card.preprocessing);
  const all = await readDataset(options.calibration, preprocessor);
  const chosen = spread(all, options.samples ?? SAMPLES);
  const { model: int8, report } = await quantizeWithReport(model, {
    samples: batchesOf(model, chosen),
    method: options.method ?? "auto",
    equalize: equalize ? "auto" : false,
    correctBiases: biasCorrection,
    target: options.target ?? "x64",
    ...(options.fullRange && { reducedRange: false }),
    float: options.float ?? [],
    threads,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  if (report.layers.length === 0) {
    throw new LichenError("NOTHING_TO_QUANTIZE", {
      at: location,
      found: report.float.length > 0 ? "operators without an integer form, or quantized already" : "no float operators",
    });
  }

  const judges = await judging(options.val, all, new Set(chosen), card, () => readLabelled(options.val!, preprocessor));
  const measured = async (network: Model) => {
    const encoded = encodePackage({ model: network, card });
    const served = { path: out, card: encoded.card, model: network, bytes: encoded.files["model.onnx"]! };
    const sha256 = encoded.card.sha256;
    return (
      await evaluate({ model: { ...served, sha256 }, samples: judges!.samples, threads, ...(signal && { signal }) })
    ).accuracy;
  };
  const accuracy = judges && {
    float: await measured(model),
    int8: await measured(int8),
    samples: judges.samples.length,
    from: judges.from,
  };
  const rehearsal =
    options.rehearsal === undefined ? null : await rehearse(int8, card, options.rehearsal, options.perClass, signal);
  const metrics = accuracy
    ? (["float", "int8"] as const).map((kind) => ({
        name: `accuracy ${kind}`,
        value: accuracy[kind],
        on: `${accuracy.samples} samples (${FROM[accuracy.from]})`,
      }))
    : [];
  const encoded: EncodedPackage = encodePackage({ model: int8, card: { ...card, metrics }, rehearsal });
  await writePackageFolder(out, encoded.files);
  return {
    schema: "lichen/quantize/1",
    model: location,
    out,
    card: encoded.card,
    report,
    accuracy,
    rehearsal: rehearsal && { examples: rehearsal.labels.length, classes: new Set(rehearsal.labels).size },
    notes: [
      ...notes,
      ...fittingNothing(options.float ?? [], report),
      ...(rehearsal ? missedClasses(rehearsal, card) : []),
    ],
  };
}

/** Whoever misspells a pattern believes that something stays in float. */
const fittingNothing = (patterns: readonly string[], { float }: QuantizationReport): string[] =>
  patterns
    .filter((pattern) => !float.some(matcher([pattern])))
    .map((pattern) => `--float «${pattern}» fits no node; --json names them all`);

/** What accuracy was measured on, for people. */
export const FROM = {
  val: "given for it",
  unused: "those of the calibration folder that calibration did not use",
  calibration: "the calibration samples themselves",
} as const;

async function floatModel(
  location: string,
  options: OfflineQuantizeOptions,
): Promise<{ model: Model; card: CardDraft; notes: readonly string[] }> {
  const found = await stat(location).catch(() => null);
  if (!found?.isDirectory()) {
    const { target: _, ...plain } = options;
    return importBytes(await readModel(location), location, plain);
  }
  const useless = ONLY_OF_FILES.find((name) => options[name] !== undefined);
  if (useless !== undefined) {
    throw new LichenError("BAD_ARGUMENT", {
      at: location,
      found: `a package, and ${useless} for it`,
      wanted: "a file; the card of a package says that already",
    });
  }
  const { model, card } = await loadModel(location);
  const { format: _, sha256: __, rehearsal: ___, ...draft } = card;
  const said = Object.fromEntries(
    (["id", "version", "description", "licence"] as const).flatMap((key) =>
      options[key] === undefined ? [] : [[key, options[key]]],
    ),
  );
  return { model, card: { ...draft, ...said }, notes: [] };
}

/** A package's card says all that. */
const ONLY_OF_FILES = [
  "labels",
  "mean",
  "std",
  "layout",
  "size",
  "output",
  "preprocessing",
  "sampleRateHz",
  "card",
] as const;

/** So many of them, evenly from all over: neighbours in a folder are often of one class, or of one minute. */
const spread = (samples: readonly Sample[], count: number): Sample[] =>
  samples.length <= count
    ? [...samples]
    : Array.from({ length: count }, (_, at) => samples[Math.floor((at * samples.length) / count)]!);

/** Features are computed anew in each pass: no more than one sample's are in memory. */
const batchesOf = (model: Model, samples: readonly Sample[]): Samples => ({
  async *[Symbol.asyncIterator]() {
    for (const sample of samples) {
      yield checkedFeatures(await featuresOf(sample), model.graph.inputs[0]!) as Tensor<"float32">;
    }
  },
});

/** What accuracy can be measured with; the best there is. */
async function judging(
  val: string | undefined,
  all: readonly Sample[],
  used: ReadonlySet<Sample>,
  { labels }: CardDraft,
  read: () => Promise<Sample[]>,
): Promise<{ samples: readonly Sample[]; from: keyof typeof FROM } | null> {
  if (val !== undefined) return { samples: await read(), from: "val" };
  const known = all.filter(({ label }) => typeof label === "string" && labels.includes(label));
  const unused = known.filter((sample) => !used.has(sample));
  if (unused.length > 0) return { samples: unused, from: "unused" };
  return known.length > 0 ? { samples: known, from: "calibration" } : null;
}
