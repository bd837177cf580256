import { readFile, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { importModel, type Layout, type ReadExternal, type Target } from "../../runtime/import/index.ts";
import { parseLabels } from "../../runtime/import/label-file.ts";
import { LichenError, sha256 } from "../../runtime/index.ts";
import { type Inspection, inspectModel } from "../../runtime/inspect/inspect.ts";
import type { Model } from "../../runtime/onnx/graph.ts";
import type { Card } from "../../runtime/package/card.ts";
import { type CardDraft, encodePackage } from "../../runtime/package/encode.ts";
import type { Rehearsal } from "../../runtime/package/package.ts";
import { type Preprocessing, preprocessingSchema } from "../../runtime/package/preprocessing.ts";
import { makeRehearsal } from "../../runtime/package/rehearsal.ts";
import { createPreprocessor } from "../../runtime/signal/index.ts";
import { readLabelled } from "./dataset.ts";
import { catalogueOptions } from "./import-catalogue.ts";
import { makePlaceForPackage, writePackageFolder } from "./package-folder.ts";

export interface OfflineImportOptions {
  /** The folder of the package. */
  out: string;
  /** A file of labels, or labels with commas between. */
  labels?: string;
  mean?: readonly number[];
  std?: readonly number[];
  layout?: Layout;
  size?: readonly number[];
  output?: string;
  target?: Target;
  /** A file with a preprocessing, as a card has it. */
  preprocessing?: string;
  sampleRateHz?: number;
  /** A card of the catalogue, for all that is not said here. */
  card?: string;
  id?: string;
  version?: string;
  description?: string;
  licence?: string;
  /** Labelled samples, to make a rehearsal pack of. */
  rehearsal?: string;
  perClass?: number;
  force?: boolean;
}

/** The schema of `lichen import --json`. */
export interface OfflineImportResult extends Pick<Inspection, "parameters" | "precision" | "methods" | "operators"> {
  schema: "lichen/import/1";
  out: string;
  source: { file: string; format: string; bytes: number; sha256: string };
  card: Card;
  /** Of `model.onnx`. */
  bytes: number;
  layers: number;
  multiplyAccumulates: number | null;
  rehearsal: { examples: number; classes: number; bytes: number } | null;
  /** What was changed and what was assumed. */
  notes: readonly string[];
}

/**
 * Makes a model package of somebody's ONNX or TFLite file. Nothing is written before the model has been checked.
 * @throws what `importModel` throws; MODEL_NOT_FOUND, BAD_ARGUMENT, BAD_CARD, UNKNOWN_CLASS, STORAGE_FAILED, CANCELLED
 */
export async function runOfflineImport(
  file: string,
  options: OfflineImportOptions,
  signal?: AbortSignal,
): Promise<OfflineImportResult> {
  const bytes = await readModel(file);
  await makePlaceForPackage(options.out, { force: options.force, source: file });
  const source = { file, bytes: bytes.length, sha256: sha256(bytes) };
  const { labels, preprocessing, card: _, ...plain } = options;
  const said = await catalogueOptions(options.card, source.sha256);
  const imported = await importModel({
    ...said.options,
    ...plain,
    bytes,
    at: file,
    external: besideOf(file),
    ...(labels !== undefined && { labels: await readLabels(labels) }),
    ...(preprocessing !== undefined && { preprocessing: await readPreprocessing(preprocessing) }),
  });
  const { model, card, format } = imported;
  const notes = [...said.notes, ...imported.notes];
  const rehearsal =
    options.rehearsal === undefined ? null : await rehearse(model, card, options.rehearsal, options.perClass, signal);
  if (rehearsal) notes.push(...missedClasses(rehearsal, card));
  const encoded = encodePackage({ model, card, rehearsal });
  const inspection = inspectModel(encoded.files["model.onnx"]!, "model.onnx");
  await writePackageFolder(options.out, encoded.files);
  return {
    schema: "lichen/import/1",
    out: options.out,
    source: { ...source, format },
    card: encoded.card,
    bytes: encoded.files["model.onnx"]!.length,
    parameters: inspection.parameters,
    layers: inspection.layers.length,
    multiplyAccumulates: inspection.multiplyAccumulates,
    precision: inspection.precision,
    operators: inspection.operators,
    methods: inspection.methods,
    rehearsal: rehearsal && {
      examples: rehearsal.labels.length,
      classes: new Set(rehearsal.labels).size,
      bytes: encoded.files["rehearsal.safetensors"]!.length,
    },
    notes,
  };
}

async function readModel(file: string): Promise<Uint8Array> {
  const found = await stat(file).catch((cause: unknown) => {
    throw new LichenError("MODEL_NOT_FOUND", { at: file, todo: NAME_A_FILE, cause });
  });
  if (found.isDirectory())
    throw new LichenError("MODEL_NOT_FOUND", { at: file, found: "a folder", wanted: "a file", todo: NAME_A_FILE });
  return readText(file, readFile(file), "MODEL_NOT_FOUND");
}

const NAME_A_FILE = "name the model's file, an .onnx or a .tflite";

/** Files of the model's own folder; one that only a link leads to lies elsewhere. */
function besideOf(file: string): ReadExternal {
  return async (location) => {
    const folder = await realpath(path.dirname(file));
    const place = path.join(folder, location);
    const real = await realpath(place).catch((cause: unknown) => {
      throw new LichenError("EXTERNAL_DATA", {
        at: place,
        found: "no such file",
        wanted: "weights of the model",
        cause,
      });
    });
    if (!real.startsWith(folder + path.sep))
      throw new LichenError("EXTERNAL_DATA", {
        at: place,
        found: "a link out of the folder",
        wanted: "the file itself",
      });
    return readText(real, readFile(real), "EXTERNAL_DATA");
  };
}

async function readLabels(given: string): Promise<string[]> {
  const found = await stat(given).catch(() => null);
  if (found?.isFile()) return parseLabels(await readFile(given, "utf8"), given);
  if (!found && given.includes(",")) return parseLabels(given.split(",").join("\n"), "--labels");
  throw new LichenError("BAD_ARGUMENT", {
    at: "--labels",
    found: found ? `${given}, which is a folder` : `${given}, where there is no file`,
    wanted: "a file with one label a line, or labels with commas between them",
  });
}

async function readPreprocessing(file: string): Promise<Preprocessing> {
  const text = await readText(file, readFile(file, "utf8"), "BAD_ARGUMENT");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LichenError("BAD_CARD", { at: file, wanted: "JSON", todo: CORRECT_IT, cause });
  }
  const parsed = preprocessingSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const at = `${file}: ${issue.path.join(".") || "(top)"}`;
  throw new LichenError("BAD_CARD", { at, wanted: issue.message, todo: CORRECT_IT });
}

const CORRECT_IT = "correct the file; what a preprocessing may be stands in models/README.md";

const readText = <T>(
  file: string,
  content: Promise<T>,
  code: "MODEL_NOT_FOUND" | "EXTERNAL_DATA" | "BAD_ARGUMENT",
): Promise<T> =>
  content.catch((cause: unknown) => {
    throw new LichenError(code, { at: file, found: "no readable file", cause });
  });

async function rehearse(
  model: Model,
  card: CardDraft,
  folder: string,
  perClass: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Rehearsal> {
  const samples = await readLabelled(folder, createPreprocessor(card.preprocessing));
  const options = { ...(perClass !== undefined && { perClass }), ...(signal && { signal }) };
  const rehearsal = await makeRehearsal(model, card, samples, options);
  if (rehearsal) return rehearsal;
  throw new LichenError("TOO_FEW_SAMPLES", {
    at: folder,
    found: "no sample that the model gets right",
    wanted: "samples of what it was trained for",
    todo: "check labels, their order, --mean and --std: a model that gets nothing right is shown something else than it was trained on",
  });
}

function missedClasses({ labels }: Rehearsal, card: CardDraft): string[] {
  const missed = card.labels.filter((_, at) => !labels.includes(at));
  if (missed.length === 0) return [];
  const some = missed.slice(0, 8).join(", ") + (missed.length > 8 ? ", …" : "");
  return [`the rehearsal pack has no example of ${missed.length} of ${card.labels.length} classes: ${some}`];
}
