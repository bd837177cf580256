import { type Inspection, inspectModel } from "../../runtime/inspect/inspect.ts";
import type { Card } from "../../runtime/package/card.ts";
import { encodePackage } from "../../runtime/package/encode.ts";
import { type ImportFileOptions, importBytes, readModel } from "./import-file.ts";
import { makePlaceForPackage, writePackageFolder } from "./package-folder.ts";
import { missedClasses, rehearse } from "./rehearse.ts";

export interface OfflineImportOptions extends ImportFileOptions {
  /** The folder of the package. */
  out: string;
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
  const { model, card, format, source, notes: remarks } = await importBytes(bytes, file, options);
  const rehearsal =
    options.rehearsal === undefined ? null : await rehearse(model, card, options.rehearsal, options.perClass, signal);
  const notes = [...remarks, ...(rehearsal ? missedClasses(rehearsal, card) : [])];
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
