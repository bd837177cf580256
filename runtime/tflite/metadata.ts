import { type FlateError, FlateErrorCode, type UnzipFileInfo, unzipSync } from "fflate";
import { LichenError } from "../errors.ts";
import { hasIdentifier, type Row, readRoot } from "./flatbuffer.ts";
import type { TfliteMetadata } from "./model.ts";
import { MODEL_METADATA, NORMALIZATION, TENSOR_AXIS_LABELS } from "./schema.ts";

const IDENTIFIER = "M001";

/** Bytes of a label file and of its packed form: far more than the names of any classes take. */
const LARGEST_LABEL_FILE = 1 << 20;
const LARGEST_PACKED = 1 << 18;

/** An archive may claim billions. */
const MOST_FILES = 1000;

/**
 * What a file says of itself.
 * @param metadata the buffer TFLITE_METADATA; a form that is not known says nothing
 * @param file the whole file, which carries the files that the metadata names as a ZIP archive at its end
 * @throws MODEL_CORRUPT
 */
export function decodeMetadata(metadata: Uint8Array, file: Uint8Array, at: string): TfliteMetadata {
  if (!hasIdentifier(metadata, IDENTIFIER)) return {};
  const row = readRoot(MODEL_METADATA, IDENTIFIER, metadata, `${at}: metadata`);
  const graph = row.subgraph_metadata[0];
  const normalization = readNormalization(graph?.input_tensor_metadata[0]?.process_units ?? [], at);
  const labels = readLabels(graph?.output_tensor_metadata[0]?.associated_files ?? [], file, at);
  return {
    ...(row.name && { name: row.name }),
    ...(row.description && { description: row.description }),
    ...(row.version && { version: row.version }),
    ...(row.author && { author: row.author }),
    ...(row.license && { licence: row.license }),
    ...(normalization && { normalization }),
    ...(labels && { labels }),
  };
}

type TensorMetadata = Row<typeof MODEL_METADATA>["subgraph_metadata"][number]["input_tensor_metadata"][number];

function readNormalization(
  units: TensorMetadata["process_units"],
  at: string,
): TfliteMetadata["normalization"] | undefined {
  const [union, fields] = NORMALIZATION;
  const { mean, std } = units.find((unit) => unit.options_type === union)?.options?.(fields) ?? {};
  if (!mean || !std) return undefined;
  const usable =
    mean.length > 0 &&
    mean.length === std.length &&
    mean.every(Number.isFinite) &&
    std.every((value) => value > 0 && Number.isFinite(value));
  if (!usable) {
    throw new LichenError("MODEL_CORRUPT", {
      at: `${at}: metadata, normalization`,
      found: `mean ${mean.slice(0, 4)}, std ${std.slice(0, 4)}`,
      wanted: "as many means as standard deviations, all finite, the latter above 0",
    });
  }
  return { mean, std };
}

/** Of several languages, the one that is none in particular. */
function readLabels(files: TensorMetadata["associated_files"], file: Uint8Array, at: string): string[] | undefined {
  const labelFiles = files.filter(({ type }) => type === TENSOR_AXIS_LABELS);
  const { name } = labelFiles.find(({ locale }) => locale === "") ?? labelFiles[0] ?? {};
  const packed = name && unpack(name, file, at);
  return packed ? new TextDecoder().decode(packed).trimEnd().split(/\r?\n/) : undefined;
}

/**
 * The first file of that name in the archive, whose sizes are looked at before anything is unpacked; nothing when there is no archive,
 * since a tool that rewrites the model loses it.
 */
function unpack(name: string, file: Uint8Array, at: string): Uint8Array | undefined {
  const damaged = (found: string, wanted: string, cause?: unknown) =>
    new LichenError("MODEL_CORRUPT", { at: `${at}: packed file ${name}`, found, wanted, cause });
  let entries = 0;
  let found = false;
  const filter = ({ name: entry, size, originalSize }: UnzipFileInfo): boolean => {
    entries += 1;
    if (entries > MOST_FILES) throw damaged(`more than ${MOST_FILES} files`, "a label file or a few");
    if (found || entry !== name) return false;
    found = true;
    if (size > LARGEST_PACKED || originalSize > LARGEST_LABEL_FILE) {
      throw damaged(`${size} bytes that become ${originalSize}`, `at most ${LARGEST_PACKED} and ${LARGEST_LABEL_FILE}`);
    }
    return true;
  };
  try {
    const files = unzipSync(file, { filter });
    return Object.hasOwn(files, name) ? files[name] : undefined;
  } catch (cause) {
    if (cause instanceof LichenError) throw cause;
    if ((cause as FlateError).code === FlateErrorCode.InvalidZipData) return undefined;
    throw damaged("what cannot be unpacked", "a ZIP archive", cause);
  }
}
