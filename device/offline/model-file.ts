import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { LichenError } from "../../runtime/index.ts";
import { formatOf } from "../../runtime/package/file-kind.ts";

export interface ModelFile {
  /** The .onnx itself. */
  file: string;
  bytes: Uint8Array;
  /** Of the package, where there is one. */
  folder: string | null;
}

/** The bytes of a package's model, or of a bare .onnx, for work that needs no card. @throws MODEL_NOT_FOUND, MODEL_CORRUPT */
export async function readModelFile(location: string): Promise<ModelFile> {
  const found = await stat(location).catch((cause: unknown) => {
    throw new LichenError("MODEL_NOT_FOUND", { at: location, cause });
  });
  const folder = found.isDirectory() ? location : null;
  const file = folder === null ? location : path.join(folder, "model.onnx");
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new LichenError("MODEL_NOT_FOUND", { at: file, cause });
  });
  if (formatOf(bytes, file) === "onnx") return { file, bytes, folder };
  throw new LichenError("MODEL_CORRUPT", {
    at: file,
    found: "a TFLite model",
    wanted: "an ONNX model",
    todo: `make a package of it with lichen import ${file} --out ‹folder›, and name that`,
  });
}
