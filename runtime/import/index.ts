import type { Base } from "../derive/base.ts";
import type { Model } from "../onnx/graph.ts";
import type { CardDraft } from "../package/encode.ts";
import { formatOf, type ModelFormat } from "../package/file-kind.ts";
import { TARGETS, type Target } from "../quantize/targets.ts";
import { type CardOptions, cardFor } from "./card.ts";
import { checkModel } from "./check.ts";
import { type ConformOptions, conform } from "./conform.ts";
import type { ReadExternal } from "./external-data.ts";
import { assertFits } from "./fits.ts";
import { labelsFor } from "./labels.ts";
import type { Note } from "./note.ts";
import { readOnnx } from "./onnx.ts";
import { type PreprocessingOptions, preprocessingFor } from "./preprocessing.ts";
import { inputRange } from "./range.ts";
import type { Source } from "./source.ts";
import { readTflite } from "./tflite.ts";

export type { Target } from "../quantize/targets.ts";
export type { ReadExternal } from "./external-data.ts";
export { LAYOUTS, type Layout } from "./layout.ts";

export interface ImportOptions extends ConformOptions, PreprocessingOptions, CardOptions {
  bytes: Uint8Array;
  /** The file's name. */
  at: string;
  /** Reads what lies beside the model: files that hold its weights. */
  external?: ReadExternal;
  labels?: readonly string[];
  /** Which integer kernels the model is for: `x64` by default, with uint8 activations; `arm64` with int8 ones. */
  target?: Target;
}

export interface Imported {
  format: ModelFormat;
  model: Model;
  card: CardDraft;
  /** What was changed and what was assumed, a sentence each. */
  notes: readonly string[];
}

/**
 * Somebody's model as a package would hold it, checked: one form, one float32 input [N, …] with channels first, one float32 output, and
 * a card with what is known of it.
 * @throws MODEL_CORRUPT, EXTERNAL_DATA, UNSUPPORTED_OPERATOR naming all that is not supported, NO_SHAPE, BATCH_MATTERS, BAD_ARGUMENT for
 *   options that do not fit the model, or that are missing
 */
export async function importModel(options: ImportOptions): Promise<Imported> {
  const { bytes, at } = options;
  const notes: string[] = [];
  const note: Note = (sentence) => notes.push(sentence);
  const format = formatOf(bytes, at);
  const source = await READERS[format](options, note);
  const { says } = source;
  const form = { ...options, ...(source.layout && { layout: source.layout }) };
  const { model, codes } = conform(source.model, form, note);
  const base: Base = await checkModel(model);
  const known = { input: base.input, codes, range: inputRange(base.graph), normalization: says.normalization };
  const preprocessing = preprocessingFor(known, options, note);
  assertFits(preprocessing, base.input);
  const labels = labelsFor(base.classes, options.labels, says.labels, note);
  return {
    format,
    model: TARGETS[options.target ?? "x64"].finish(model),
    card: cardFor({ at, says, preprocessing, labels }, options, note),
    notes,
  };
}

/** From format to how a file of it is read. */
const READERS = {
  onnx: (options, note) => readOnnx(options.bytes, options, note),
  tflite: (options, note) => readTflite(options.bytes, options, note),
} satisfies Record<ModelFormat, (options: ImportOptions, note: Note) => Promise<Source>>;
