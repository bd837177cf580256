import { readFile } from "node:fs/promises";
import path from "node:path";
import { LichenError } from "../../runtime/index.ts";
import { type Inspection, inspectModel } from "../../runtime/inspect/inspect.ts";
import { type Card, parseCard } from "../../runtime/package/card.ts";
import { CARD_KEY, sha256 } from "../../runtime/package/package.ts";
import { readModelFile } from "./model-file.ts";

/** The schema of `lichen inspect --json`. */
export interface OfflineInspectResult extends Inspection {
  schema: "lichen/inspect/1";
  file: string;
  bytes: number;
  sha256: string;
  /** What the package says of it; null for a bare model. */
  card: Card | null;
}

/**
 * Describes a package folder or a bare .onnx, whether or not Lichen could train it. A card that is missing or wrong is a problem
 * of the model, not an error of the command.
 * @throws MODEL_NOT_FOUND, MODEL_CORRUPT
 */
export async function runOfflineInspect(location: string): Promise<OfflineInspectResult> {
  const { file, bytes, folder } = await readModelFile(location);
  const hash = sha256(bytes);
  const { metadata, problems, ...inspection } = inspectModel(bytes, file);
  const { [CARD_KEY]: inside, ...others } = metadata;
  const { card, problem } =
    folder !== null
      ? await readCard(path.join(folder, "card.json"), hash)
      : inside === undefined
        ? { card: null }
        : parsed(inside, `${file}: ${CARD_KEY}`);
  return {
    schema: "lichen/inspect/1",
    file,
    bytes: bytes.length,
    sha256: hash,
    card,
    ...inspection,
    metadata: others,
    problems: [...problems, ...(problem ? [{ code: problem.code, message: problem.message }] : [])],
  };
}

interface ReadCard {
  card: Card | null;
  problem?: LichenError;
}

/** A package without a card, or with another model's, is worth a word. */
async function readCard(file: string, hash: string): Promise<ReadCard> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined)
    return { card: null, problem: new LichenError("BAD_CARD", { at: file, found: "no readable file" }) };
  const read = parsed(text, file);
  if (!read.card || read.card.sha256 === hash) return read;
  const problem = new LichenError("MODEL_CORRUPT", { at: file, found: `sha256 ${read.card.sha256}`, wanted: hash });
  return { ...read, problem };
}

function parsed(text: string, at: string): ReadCard {
  try {
    return { card: parseCard(text, at) };
  } catch (error) {
    if (error instanceof LichenError) return { card: null, problem: error };
    throw error;
  }
}
