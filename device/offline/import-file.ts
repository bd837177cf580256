import { readFile, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { type Imported, importModel, type Layout, type ReadExternal, type Target } from "../../runtime/import/index.ts";
import { parseLabels } from "../../runtime/import/label-file.ts";
import { LichenError, sha256 } from "../../runtime/index.ts";
import { parseAs } from "../../runtime/package/parse.ts";
import { type Preprocessing, preprocessingSchema } from "../../runtime/package/preprocessing.ts";
import { catalogueOptions } from "./import-catalogue.ts";

/** What somebody's file does not say of itself. */
export interface ImportFileOptions {
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
}

export interface ImportedFile extends Imported {
  source: { file: string; bytes: number; sha256: string };
}

/** Somebody's ONNX or TFLite file, checked, with whatever lies beside it. @throws what `importModel` throws; BAD_ARGUMENT, BAD_CARD */
export async function importBytes(bytes: Uint8Array, file: string, options: ImportFileOptions): Promise<ImportedFile> {
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
  return { ...imported, notes: [...said.notes, ...imported.notes], source };
}

/** @throws MODEL_NOT_FOUND */
export async function readModel(file: string): Promise<Uint8Array> {
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
  return parseAs(preprocessingSchema, text, file, CORRECT_IT);
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
